"""Charges that stand in two files: exports of a month to date begin with what the one before them had."""

from dataclasses import dataclass
from typing import Final

from inferometer_compose.bill.focus import Charge
from inferometer_compose.bill.table import BillError

_MOST: Final = 200_000
"""Charges that are remembered, 20 MB; a month of a host with eight SKUs has 6,000."""


@dataclass(slots=True)
class _File:
    """What is known of one file."""

    charges: int = 0
    repeated: int = 0
    other: str = ""
    """That had one of them before."""


class Repeats:
    """Looks for files of which another had most of the charges before."""

    def __init__(self) -> None:
        self._first: dict[int, str] = {}
        self._files: dict[str, _File] = {}

    def see(self, charge: Charge) -> None:
        """One more charge for devices here; two of one file may be alike, and what costs nothing adds nothing."""
        if not charge.usd:
            return
        file = self._files.setdefault(charge.file, _File())
        file.charges += 1
        told = (charge.begin_ns, charge.end_ns, charge.resource, charge.sku, charge.sku_price, charge.usd)
        key = hash((*told, charge.pricing_category, charge.commitment_status))
        if key not in self._first:
            if len(self._first) < _MOST:
                self._first[key] = charge.file
        elif self._first[key] != charge.file:
            file.repeated += 1
            file.other = self._first[key]

    def check(self) -> None:
        """Refuse a bill that counts most of a file twice.

        Raises:
            BillError: it does.
        """
        for name, file in self._files.items():
            if 2 * file.repeated > file.charges:
                raise BillError(
                    f"{name}: {file.repeated:,} of its {file.charges:,} charges for devices here stand in "
                    f"{file.other}, too, and would count twice: of exports of a month to date give the newest alone"
                )
