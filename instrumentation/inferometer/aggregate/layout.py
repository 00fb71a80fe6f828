"""Buckets of a histogram: a log sketch of native schema 4 and the classic boundaries, all as integers."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Final

from inferometer.catalog.model import Series, Unit
from inferometer.catalog.sketch import PER_DOUBLING, TOP, bound, lowest, sketch
from inferometer.errors import CatalogError


@dataclass(frozen=True, slots=True)
class _Range:
    """Classic boundaries go from 2**low to 2**high, in base units."""

    low: int
    high: int
    step: int
    """Sketch buckets per classic bucket; 5 is a factor of 1.24, 16 a factor of 2."""


_RANGES: Final = {
    Unit.SECONDS: _Range(low=-10, high=6, step=5),
    Unit.BYTES: _Range(low=6, high=30, step=16),
    Unit.USD: _Range(low=-30, high=4, step=16),
    Unit.COUNT: _Range(low=0, high=10, step=16),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Integer upper bounds of one family's buckets, in stored units; a value belongs to the first bound >= it."""

    scale: int
    lowest: int
    """Native index of ``bounds[0]``: native bucket ``lowest + i`` ends at ``bounds[i]``."""
    bounds: tuple[int, ...]
    """Of the sketch, rising (the first few may be equal); larger values count in the last bucket."""
    classic: tuple[int, ...]
    """Of the classic histogram, strictly rising, without +Inf."""

    def index(self, value: int) -> int:
        """Index into `bounds` of the bucket that a positive value belongs to."""
        return min(bisect_left(self.bounds, value), len(self.bounds) - 1)

    def classic_index(self, value: int) -> int:
        """Index of a value's classic bucket; ``len(classic)`` is +Inf."""
        return bisect_left(self.classic, value)


def layout_of(entry: Series, extra: Iterable[int] = ()) -> Layout:
    """Buckets of a histogram entry.

    Args:
        entry: of the catalogue.
        extra: boundaries that the classic histogram must hold exactly, in stored units: SLO thresholds, timeouts.

    Raises:
        CatalogError: histograms of this unit have no range.
    """
    if entry.unit not in _RANGES:
        raise CatalogError(f"no range of buckets for histograms in {entry.unit.value!r}, as {entry.name} is")
    return _layout(entry.unit, entry.scale, tuple(sorted(set(extra))))


@cache
def _layout(unit: Unit, scale: int, extra: tuple[int, ...]) -> Layout:
    span = _RANGES[unit]
    first = ceil(span.low * PER_DOUBLING / span.step) * span.step
    every = {bound(k, scale) for k in range(first, span.high * PER_DOUBLING + 1, span.step)}
    classic = tuple(sorted(every.union(value for value in extra if value > 0)))
    return Layout(scale, lowest(scale), sketch(TOP[unit], scale), classic)
