"""Columns of money: as many decimals as the whole needs, and parts that sum to it as they are shown."""

import math
from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from inferometer_compose.screens.units import UNKNOWN

_DIGITS: Final = 4
"""That matter of a whole; a bill of $1,234.56 shows its cents all the same."""
_CENTS: Final = 2
_SMALLEST: Final = 12
"""Picodollars are what the ledger counts in."""


def places(*wholes: float | None) -> int:
    """Decimals with which sums of money and their parts are shown: as many as the smallest of the sums needs."""
    needed = [_DIGITS - 1 - math.floor(math.log10(abs(whole))) for whole in wholes if whole]
    return min(_SMALLEST, max([_CENTS, *needed]))


def amount(usd: float | None, decimals: int) -> str:
    """``$0.003412``, ``-$0.10``; a dash where it is unknown."""
    return UNKNOWN if usd is None else text(Decimal(repr(usd)).quantize(Decimal(1).scaleb(-decimals)))


def parts(usd: Sequence[float | None], whole: float | None, decimals: int) -> list[str]:
    """Parts of a whole, rounded so that what is shown sums to the whole as it is shown."""
    shown = rounded(usd, whole, decimals)
    return [UNKNOWN if part is None else text(cost) for part, cost in zip(usd, shown, strict=True)]


def rounded(usd: Sequence[float | None], whole: float | None, decimals: int) -> list[Decimal]:
    """The parts that `parts` shows; each is less than one unit of the last decimal from what it is."""
    unit = Decimal(1).scaleb(-decimals)
    exact = [Decimal(repr(part or 0.0)) for part in usd]
    shown = [part.quantize(unit, ROUND_FLOOR) for part in exact]
    left = int((Decimal(repr(whole or 0.0)).quantize(unit) - sum(shown)) / unit)
    most = sorted(range(len(exact)), key=lambda index: (shown[index] - exact[index], index))
    for index in most[: max(left, 0)]:
        shown[index] += unit
    return shown


def text(usd: Decimal) -> str:
    """``$1,320.96``, ``-$0.10``: with the decimals that it has."""
    return f"-${-usd:,f}" if usd < 0 else f"${abs(usd):,f}"
