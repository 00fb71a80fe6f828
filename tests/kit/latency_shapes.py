"""Six shapes of latencies, in ns, and how Prometheus computes quantiles of their histograms."""

from collections.abc import Callable
from itertools import accumulate

import numpy as np

NUMBER = 200_000
QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
MS = 1e6


def _steady(random):
    """Nearly constant, as a fixed-size model on a GPU of its own, with one request in a hundred that waits."""
    waits = random.random(NUMBER) < 0.01
    return np.where(waits, random.uniform(200, 2_000, NUMBER), random.normal(42, 1, NUMBER)) * MS


SHAPES: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "lognormal": lambda random: 40 * MS * random.lognormal(0, 0.9, NUMBER),
    "bimodal": lambda random: (
        np.where(random.random(NUMBER) < 0.7, random.normal(5, 0.4, NUMBER), random.normal(80, 6, NUMBER)) * MS
    ),
    "pareto": lambda random: 10 * MS * (1 + random.pareto(1.8, NUMBER)),
    "exponential": lambda random: 2 * MS + random.exponential(30 * MS, NUMBER),
    "uniform": lambda random: random.uniform(3 * MS, 200 * MS, NUMBER),
    "constant with outliers": _steady,
}


def values(shape: str) -> np.ndarray:
    """Whole ns, the same each time."""
    return np.maximum(SHAPES[shape](np.random.default_rng(4)), 1).astype(np.int64)


def native_quantile(cell, level: float) -> float:
    """As `histogram_quantile` of Prometheus 3 does for exponential buckets: interpolated on a logarithmic scale."""
    rank = level * cell.count
    seen = cell.zero
    for place in sorted(cell.sketch):
        here = cell.sketch[place]
        if seen + here >= rank:
            upper = 2 ** ((cell.layout.lowest + place) / 16)
            lower = upper / 2 ** (1 / 16)
            return lower * (upper / lower) ** ((rank - seen) / here)
        seen += here
    raise AssertionError("an empty histogram")


def classic_quantile(cell, level: float) -> float:
    """As `histogram_quantile` does for classic buckets: interpolated linearly."""
    rank = level * cell.count
    cumulative = list(accumulate(cell.classic))
    index = next(i for i, number in enumerate(cumulative) if number >= rank)
    bounds = [0, *cell.layout.classic]
    if index == len(cell.layout.classic):
        return bounds[-1] / 1e9
    before = cumulative[index - 1] if index else 0
    part = (rank - before) / cell.classic[index]
    return (bounds[index] + (bounds[index + 1] - bounds[index]) * part) / 1e9
