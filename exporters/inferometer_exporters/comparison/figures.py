"""Which figures two sides are compared by, and how each is computed from blocks that are drawn."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import isfinite
from typing import Final

import numpy as np

from inferometer_exporters.comparison.lines import COST, ERRORS
from inferometer_exporters.comparison.samples import (
    BLOCKS,
    Binned,
    Floats,
    Pair,
    Rate,
    coarser,
    quantiles,
    ratios,
)

QUANTILES: Final = (0.5, 0.9, 0.95, 0.99, 0.999)
TAIL: Final = 20
"""Requests beyond a quantile, on either side: with fewer of them its interval is no 95 % any more."""
FEWEST: Final = 200
"""Requests on either side."""
FEWEST_FAILED: Final = 5
"""Failed requests of both sides, for a difference to be more than one bad moment."""
_BINS_LEAVE_OPEN: Final = 0.002
"""Standard error of the logarithm of a ratio of two quantiles, from the bins' width."""
_ONCE: Final = np.ones((1, BLOCKS))


@dataclass(frozen=True, slots=True)
class Figure:
    """A line before it is judged."""

    pair: int
    measure: str
    name: str
    before: float | None
    after: float | None
    needed: int
    """As `lines.Line.needed`."""
    floor: float = 0.0
    """Standard error that it does not fall below."""

    @property
    def relative(self) -> bool:
        """Whether its difference is one of logarithms."""
        return self.measure != ERRORS


@dataclass(frozen=True, slots=True)
class Task:
    """Figures that are computed together.

    ``differences(blocks, before, after)`` takes how often each of so many blocks is drawn on either side
    (``[draw, block]``) and returns ``[draw, figure]``; NaN where a draw has nothing to compute one from.
    """

    figures: tuple[Figure, ...]
    differences: Callable[[int, Floats, Floats], Floats]


def tasks(number: int, pair: Pair) -> Iterator[Task]:
    """Every figure of a pair, the pair's *number* in it."""
    before, after = pair.before, pair.after
    few = FEWEST if min(before.requests, after.requests) < FEWEST else 0
    for measure in dict.fromkeys((*before.binned, *before.means)):
        if measure in before.means:
            yield _rate(Figure(number, measure, "mean", None, None, few), before.means[measure], after.means[measure])
        if measure in before.binned:
            yield _quantiles(number, measure, before.binned[measure], after.binned[measure])
    failed = before.errors.over.sum() + after.errors.over.sum()
    errors = Figure(number, ERRORS, "ratio", None, None, few)
    yield _rate(errors, before.errors, after.errors, judged=bool(failed >= FEWEST_FAILED))
    if before.cost is not None and after.cost is not None:
        yield _rate(Figure(number, COST, "per_request", None, None, few), before.cost, after.cost)


def _quantiles(number: int, measure: str, before: Binned, after: Binned) -> Task:
    levels = np.array(QUANTILES)
    points = [[_known(np.exp(value)) for value in quantiles(side, _ONCE, levels)[0]] for side in (before, after)]
    fewest = min(before.number, after.number)
    figures = []
    for level, first, second in zip(QUANTILES, *points, strict=True):
        needed = max(FEWEST, round(TAIL / (1 - level)))
        name = f"p{100 * level:.1f}".removesuffix(".0")
        missing = needed if fewest < needed else 0
        figures.append(Figure(number, measure, name, first, second, missing, _BINS_LEAVE_OPEN))

    def differences(blocks: int, of_before: Floats, of_after: Floats) -> Floats:
        first = Binned(before.lowest, coarser(before.counts, blocks))
        second = Binned(after.lowest, coarser(after.counts, blocks))
        return quantiles(second, of_after, levels) - quantiles(first, of_before, levels)

    return Task(tuple(figures), differences)


def _rate(figure: Figure, before: Rate, after: Rate, *, judged: bool = True) -> Task:
    first_point, second_point = (_known(ratios(rate, _ONCE)[0]) for rate in (before, after))
    known = replace(figure, before=first_point, after=second_point)

    def differences(blocks: int, of_before: Floats, of_after: Floats) -> Floats:
        first = ratios(Rate(coarser(before.over, blocks), coarser(before.under, blocks)), of_before)
        second = ratios(Rate(coarser(after.over, blocks), coarser(after.under, blocks)), of_after)
        if not judged:
            return np.full((len(of_before), 1), np.nan)
        if not known.relative:
            return (second - first)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            return (np.log(second) - np.log(first))[:, None]

    return Task((known,), differences)


def _known(value: float) -> float | None:
    return float(value) if isfinite(value) else None
