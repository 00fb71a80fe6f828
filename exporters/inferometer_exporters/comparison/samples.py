"""What a comparison is computed from: per block of time, counts in logarithmic bins, and sums.

A block is a stretch of time that is drawn as a whole, because what happens within seconds of each other is alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PER_DOUBLING: Final = 64
"""Bins per factor of two: 1.1 % wide; with interpolation inside a bin quantiles are within 0.3 % of the exact ones."""
BLOCKS: Final = 64
"""Blocks of one side; coarser ones are made of them."""
_CELL: Final = 16
"""Bins that are looked at together until it is known which of them matter."""
_ROUNDING: Final = 1e-12
"""A sum of weights that misses a quantile's place by less has reached it."""


@dataclass(frozen=True, slots=True)
class Binned:
    """A distribution by block: ``counts[block, i]`` values in bin ``lowest + i``."""

    lowest: int
    counts: Floats

    @property
    def number(self) -> int:
        """Values."""
        return int(self.counts.sum())

    @classmethod
    def of(cls, block: Ints, index: Ints, number: Ints) -> "Binned":
        """From rows of (block, bin, number of values)."""
        if not len(index):
            return cls(0, np.zeros((BLOCKS, 0)))
        lowest = int(index.min())
        counts = np.zeros((BLOCKS, int(index.max()) - lowest + 1))
        np.add.at(counts, (block, index - lowest), number)
        return cls(lowest, counts)


@dataclass(frozen=True, slots=True)
class Rate:
    """A sum per something, by block: nanoseconds per request, failures per request, picodollars per request."""

    over: Floats
    under: Floats


@dataclass(frozen=True, slots=True)
class Side:
    """One side of one group."""

    requests: int
    binned: Mapping[str, Binned]
    """By measure; ns."""
    means: Mapping[str, Rate]
    """By measure: ns of all requests, over requests; those without it count as 0."""
    errors: Rate
    """Failed requests over those that count for availability."""
    cost: Rate | None
    """Picodollars over requests whose cost is known; None where none is."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One service and model on both sides."""

    service: str
    model: str
    before: Side
    after: Side


def quantiles(binned: Binned, weights: Floats, levels: Floats) -> Floats:
    """Quantiles of a distribution with each block taken *weights* times.

    Args:
        binned: the distribution.
        weights: ``[draw, block]``.
        levels: the quantiles, 0-1.

    Returns:
        ``[draw, quantile]``, natural logarithms of ns; NaN where a draw has no value.
    """
    found = np.full((len(weights), len(levels)), np.nan)
    width = binned.counts.shape[1]
    if not width:
        return found
    # What lies below the end of each cell says where to look; only there bins are drawn one by one.
    cells = np.arange(0, width, _CELL)
    below = np.cumsum(np.add.reduceat(binned.counts, cells, axis=1), axis=1)
    reached = weights @ below
    total = reached[:, -1]
    target = total[:, None] * (levels - _ROUNDING)
    cell = np.minimum((reached[:, None, :] < target[:, :, None]).sum(axis=2), len(cells) - 1)
    cell[total <= 0] = -1
    for number in np.unique(cell[cell >= 0]).tolist():
        draw, level = np.nonzero(cell == number)
        first = number * _CELL
        inside = weights[draw] @ binned.counts[:, first : first + _CELL]
        start = reached[draw, number - 1] if number else np.zeros(len(draw))
        running = start[:, None] + np.cumsum(inside, axis=1)
        place = np.minimum((running < target[draw, level][:, None]).sum(axis=1), inside.shape[1] - 1)
        own = inside[np.arange(len(draw)), place]
        before = running[np.arange(len(draw)), place] - own
        part = np.clip((levels[level] * total[draw] - before) / np.where(own > 0, own, 1.0), 0.0, 1.0)
        found[draw, level] = (binned.lowest + first + place + part) * (np.log(2) / PER_DOUBLING)
    return found


def ratios(rate: Rate, weights: Floats) -> Floats:
    """Sum over sum with each block taken *weights* times; NaN where there is nothing to divide by."""
    over, under = weights @ rate.over, weights @ rate.under
    found: Floats = np.divide(over, under, out=np.full(len(over), np.nan), where=under > 0)
    return found


def coarser(values: Floats, blocks: int) -> Floats:
    """Per-block values for fewer, longer blocks."""
    found: Floats = values.reshape(blocks, BLOCKS // blocks, *values.shape[1:]).sum(axis=1)
    return found
