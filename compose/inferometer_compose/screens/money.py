"""Columns of money: as many decimals as the whole needs, and parts that sum to it as they are shown."""

import math
from collections.abc import Sequence
from typing import Final

from inferometer_compose.screens.units import UNKNOWN
from inferometer_exporters.recorder.remainders import split

_DIGITS: Final = 4
"""That matter of a whole; a bill of $1,234.56 shows its cents all the same."""
_CENTS: Final = 2
_SMALLEST: Final = 12
"""Picodollars are what the ledger counts in."""


def places(whole: float) -> int:
    """Decimals with which a sum of money and its parts are shown."""
    if not whole:
        return _CENTS
    return min(_SMALLEST, max(_CENTS, _DIGITS - 1 - math.floor(math.log10(abs(whole)))))


def amount(usd: float | None, decimals: int) -> str:
    """``$0.003412``, ``-$0.10``; a dash where it is unknown."""
    if usd is None:
        return UNKNOWN
    text = f"{abs(usd):,.{decimals}f}"
    return f"-${text}" if usd < 0 and float(text.replace(",", "")) else f"${text}"


def parts(usd: Sequence[float | None], decimals: int) -> list[str]:
    """Parts of one whole, rounded so that what is shown sums to the whole as it is shown."""
    units = [round((part or 0.0) * 10**_SMALLEST) for part in usd]
    whole = round(sum(units) / 10 ** (_SMALLEST - decimals))
    if any(unit < 0 for unit in units) or not any(units):
        return [amount(part, decimals) for part in usd]
    shown = split(whole, units)
    return [
        UNKNOWN if part is None else amount(unit / 10**decimals, decimals)
        for part, unit in zip(usd, shown, strict=True)
    ]
