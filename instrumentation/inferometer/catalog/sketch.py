"""Boundaries of a histogram's log sketch: what a worker bins by and what an Intake counts by."""

from functools import cache
from math import ceil, exp2, floor, log2
from typing import Final

from inferometer.catalog.model import Unit

SCHEMA: Final = 4
"""Native histogram schema: 2**4 buckets per doubling, so a quantile is off by at most 4.4 %."""
PER_DOUBLING: Final = 1 << SCHEMA
TOP: Final = {Unit.SECONDS: 17, Unit.BYTES: 44, Unit.USD: 14, Unit.COUNT: 24}
"""The sketch of a unit ends at this power of two, in base units."""


def lowest(scale: int) -> int:
    """Native index of the first boundary, for values of which *scale* make one base unit."""
    # Below one stored unit there is nothing to tell apart.
    return ceil(-log2(scale) * PER_DOUBLING)


def bound(k: int, scale: int) -> int:
    """Upper boundary of native bucket *k*, in stored units."""
    # An integer is at most 2**(k/16) * scale exactly when it is at most the floor.
    return floor(exp2(k / PER_DOUBLING) * scale)


@cache
def sketch(top: int, scale: int) -> tuple[int, ...]:
    """All upper boundaries up to 2**top base units, rising, in stored units; the first few may be equal."""
    return tuple(bound(k, scale) for k in range(lowest(scale), top * PER_DOUBLING + 1))
