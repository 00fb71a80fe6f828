"""Sides made of times and values, as the recorder's query makes them."""

import numpy as np
import pytest

from inferometer_exporters.comparison.samples import BLOCKS, PER_DOUBLING, Binned, Pair, Rate, Side


def binned(values, moments=None):
    """Values (ns) at moments of 0-1 in their window."""
    values = np.asarray(values, float)
    moments = np.linspace(0, 1, len(values), endpoint=False) if moments is None else moments
    block = (np.asarray(moments) * BLOCKS).astype(np.int64)
    index = np.floor(np.log2(values) * PER_DOUBLING).astype(np.int64)
    return Binned.of(block, index, np.ones(len(values), np.int64))


def side(stages, *, moments=None, failed=None, cost=None):
    """A side of requests whose stages took these times; the whole is their sum."""
    measures = {"whole": sum(stages.values()), **stages}
    number = len(measures["whole"])
    moments = np.linspace(0, 1, number, endpoint=False) if moments is None else moments
    block = (moments * BLOCKS).astype(np.int64)
    count = np.bincount(block, minlength=BLOCKS).astype(float)

    def rate(values):
        return Rate(np.bincount(block, np.asarray(values, float), minlength=BLOCKS), count)

    return Side(
        requests=number,
        binned={name: binned(values, moments) for name, values in measures.items()},
        means={name: rate(values) for name, values in measures.items()},
        errors=rate(np.zeros(number) if failed is None else failed),
        cost=None if cost is None else rate(cost),
    )


def traffic(random, number, *, lasts=0.0, slower=1.0):
    """A window of requests that wait in a queue whose length is alike for a stretch of *lasts* windows (an AR(1))."""
    moments = np.sort(random.uniform(0, 1, number))
    steps = 2_000
    keep = np.exp(-1 / steps / lasts) if lasts else 0.0
    level = np.empty(steps)
    level[0], noise = random.standard_normal(), random.standard_normal(steps) * np.sqrt(1 - keep**2)
    for step in range(1, steps):
        level[step] = keep * level[step - 1] + noise[step]
    here = level[(moments * steps).astype(int)]
    execute = np.exp(16 + 0.4 * random.standard_normal(number)) * slower
    queue = np.exp(15 + 0.75 * here + 0.8 * random.standard_normal(number))
    failed = random.random(number) < 0.01 * np.exp(0.5 * here)
    return side({"execute": execute, "queue": queue}, moments=moments, failed=failed, cost=execute * 5.5)


class Make:
    """The builders, for tests that cannot import this file."""

    binned = staticmethod(binned)
    side = staticmethod(side)
    traffic = staticmethod(traffic)

    @staticmethod
    def pair(before, after):
        return Pair("svc", "m", before, after)


@pytest.fixture(scope="session")
def make():
    return Make


@pytest.fixture
def random():
    return np.random.default_rng(20261123)
