"""Intervals for differences of two sides, by drawing blocks of time again and again.

Latencies that lie close together in time are alike: a queue is long for many requests at once. An interval that takes
each request for independent of the others cries wolf. So whole blocks of time are drawn. How long a block must be
depends on how long a queue lasts, which nobody knows: several lengths are tried, and each line has the largest of
their errors.

All lines are judged together: the interval of each is so wide that in 95 of 100 comparisons without a difference no
line at all shows one. Lines of one draw come from the same blocks, so that those that move together, such as p95 and
p99, are not counted as many (the largest deviation of a draw decides: the max-t method of Westfall and Young).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from inferometer_exporters.comparison.figures import Task
from inferometer_exporters.comparison.samples import BLOCKS, Floats

DRAWS: Final = 1_000
CONFIDENCE: Final = 0.95
LEVELS: Final = (64, 32, 16, 8)
"""Blocks of a side, from short ones to long ones; with fewer than 8 the error is itself too uncertain."""
_NORMAL: Final = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)


@dataclass(frozen=True, slots=True)
class Intervals:
    """By line: the difference, and how far it may be off in either direction; NaN where nothing can be said."""

    difference: Floats
    half: Floats


def intervals(tasks: Sequence[Task], *, paired: bool, seed: int, draws: int = DRAWS) -> Intervals:
    """Differences of all figures of all tasks, in their order, and their simultaneous 95 % intervals.

    Args:
        tasks: what to compute.
        paired: both sides are of the same time, so that a block is drawn for both.
        seed: of the draws.
        draws: number of them, of each length of blocks.
    """
    if not tasks:
        return Intervals(np.zeros(0), np.zeros(0))
    random = np.random.default_rng(seed)
    once = np.ones((1, BLOCKS))
    unjudged = np.array([bool(figure.needed) for task in tasks for figure in task.figures])
    point = _differences(tasks, BLOCKS, once, once)[0]
    point[unjudged] = np.nan
    error = np.array([figure.floor for task in tasks for figure in task.figures])
    freedom = np.full(len(point), float(BLOCKS))
    deviations = np.zeros((draws, len(point)))
    shorter = np.full(len(point), np.inf)
    for blocks in LEVELS:
        before = _weights(random, blocks, draws)
        after = before if paired else _weights(random, blocks, draws)
        drawn = _differences(tasks, blocks, before, after)
        known = np.isfinite(drawn)
        # A figure that one draw in twenty cannot compute is not known well enough to be judged.
        point[known.mean(axis=0) < CONFIDENCE] = np.nan
        centre = np.where(known, drawn, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        off = np.where(known, drawn - centre, 0.0)
        # A sample of n blocks varies n / (n - 1) times as much as draws from it do.
        found = off.std(axis=0) * np.sqrt(blocks / (blocks - 1))
        larger = found > error
        deviations = np.where(larger, off / np.where(larger, found, 1.0), deviations)
        free = float((blocks - 1) * (1 if paired else 2))
        freedom = np.where(larger, free, freedom)
        error = np.maximum(error, found)
        # What blocks cut apart shows as an error that grows with their length, by half as much at each doubling. The
        # variance at infinite length is twice that of a length less that of half of it; so it is known half as well.
        grown = np.sqrt(np.maximum(2 * found**2 - shorter**2, 0.0))
        freedom = np.where(grown > error, free / 2, freedom)
        error = np.maximum(error, grown)
        shorter = found
    judged = np.isfinite(point)
    if not judged.any():
        return Intervals(point, np.full(len(point), np.nan))
    reach = max(float(np.quantile(np.abs(deviations[:, judged]).max(axis=1), CONFIDENCE)), _NORMAL)
    return Intervals(point, np.where(judged, _students(reach, freedom) * error, np.nan))


def _differences(tasks: Sequence[Task], blocks: int, before: Floats, after: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        found = np.concatenate([task.differences(blocks, before, after) for task in tasks], axis=1)
    return np.where(np.isfinite(found), found, np.nan)


def _weights(random: np.random.Generator, blocks: int, draws: int) -> Floats:
    return random.multinomial(blocks, np.full(blocks, 1 / blocks), draws).astype(np.float64)


def _students(normal: float, freedom: Floats) -> Floats:
    """What a deviation of the normal distribution is in Student's, at the same probability.

    The series of Abramowitz and Stegun, 26.7.5; within 1 % from 7 degrees of freedom on.
    """
    z = normal
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
