"""Quantiles and ratios of blocks that are drawn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer_exporters.comparison.samples import BLOCKS, PER_DOUBLING, Binned, Rate, coarser, quantiles, ratios

LEVELS = np.array([0.5, 0.9, 0.95, 0.99, 0.999])
ONCE = np.ones((1, BLOCKS))


@pytest.mark.parametrize("shape", ["lognormal", "pareto", "exponential", "bimodal"])
def test_quantiles_from_bins_are_within_half_a_per_cent_of_the_exact_ones(make, random, shape):
    n = 200_000
    values = {
        "lognormal": np.exp(16 + random.standard_normal(n)),
        "pareto": 1e6 * (1 + random.pareto(1.8, n)),
        "exponential": 1e4 + random.exponential(3e7, n),
        "bimodal": np.where(random.random(n) < 0.7, random.normal(5e6, 4e5, n), random.normal(8e7, 6e6, n)),
    }[shape]

    found = np.exp(quantiles(make.binned(values), ONCE, LEVELS)[0])

    np.testing.assert_allclose(found, np.quantile(values, LEVELS), rtol=0.006)


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=60), st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_in_the_bin_of_the_value_at_its_rank(make, values, level):
    found = np.exp(quantiles(make.binned(values), ONCE, np.array([level]))[0, 0])

    at_rank = sorted(values)[max(int(np.ceil(level * len(values) - 1e-9)), 1) - 1]
    width = 2 ** (1 / PER_DOUBLING)
    assert at_rank / width <= found * (1 + 1e-9)
    assert found <= at_rank * width * (1 + 1e-9)


def plainly(binned, weights, level):
    """A quantile of one draw, looked for among all bins."""
    counts = weights @ binned.counts
    running = np.cumsum(counts)
    if not running[-1]:
        return np.nan
    place = np.flatnonzero(running >= (level - 1e-12) * running[-1])[0]
    part = (level * running[-1] - running[place] + counts[place]) / counts[place]
    return (binned.lowest + place + min(max(part, 0.0), 1.0)) * np.log(2) / PER_DOUBLING


@given(
    st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, BLOCKS - 1)), max_size=80),
    st.lists(st.lists(st.integers(0, 3), min_size=BLOCKS, max_size=BLOCKS), min_size=1, max_size=4),
)
def test_where_only_some_bins_are_looked_at_the_quantile_is_that_of_all_of_them(make, values, drawn):
    binned = make.binned([value for value, _ in values], np.array([(block + 0.5) / BLOCKS for _, block in values]))
    weights = np.array(drawn, np.float64)

    found = quantiles(binned, weights, LEVELS)

    expected = [[plainly(binned, draw, level) if values else np.nan for level in LEVELS] for draw in weights]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_block_that_is_drawn_twice_counts_twice(make):
    slow_late = make.binned([1_000_000] * 32 + [64_000_000] * 32)
    early = np.r_[np.full(32, 2.0), np.zeros(32)][None]
    late = early[:, ::-1]

    first, second = (np.exp(quantiles(slow_late, drawn, np.array([0.5]))[0, 0]) for drawn in (early, late))

    assert first == pytest.approx(1e6, rel=0.011)
    assert second == pytest.approx(64e6, rel=0.011)


def test_what_is_empty_has_no_quantile_and_no_ratio():
    nothing = Binned.of(*(np.zeros(0, np.int64) for _ in range(3)))

    assert np.isnan(quantiles(nothing, ONCE, LEVELS)).all()
    assert np.isnan(ratios(Rate(np.zeros(BLOCKS), np.zeros(BLOCKS)), ONCE)).all()


def test_a_draw_without_a_value_is_not_known_and_the_others_are(make):
    early_only = make.binned([1_000_000] * 10, np.zeros(10))
    drawn = np.zeros((2, BLOCKS))
    drawn[1, 0] = 1

    found = quantiles(early_only, drawn, np.array([0.5]))

    assert np.isnan(found[0, 0])
    assert np.exp(found[1, 0]) == pytest.approx(1e6, rel=0.011)


def test_coarser_blocks_hold_what_the_finer_ones_held():
    values = np.arange(BLOCKS * 3, dtype=float).reshape(BLOCKS, 3)

    merged = coarser(values, 8)

    assert merged.shape == (8, 3)
    assert merged[0].tolist() == values[:8].sum(axis=0).tolist()
    assert merged.sum() == values.sum()
