"""Buckets: every integer has its place, boundaries are exact."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.aggregate import layout_of
from inferometer.catalog import gpus, requests
from inferometer.catalog.sketch import PER_DOUBLING
from inferometer.errors import CatalogError

ENTRIES = [requests.REQUEST_DURATION, requests.REQUEST_BYTES, requests.REQUEST_COST, requests.BATCH_SIZE]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
@given(st.integers(1, 10**14))
def test_a_value_lies_between_the_bounds_of_its_bucket(entry, value):
    layout = layout_of(entry)

    index = layout.index(value)

    assert index == 0 or layout.bounds[index - 1] < value
    assert value <= layout.bounds[index] or index == len(layout.bounds) - 1
    classic = layout.classic_index(value)
    assert classic == 0 or layout.classic[classic - 1] < value
    assert classic == len(layout.classic) or value <= layout.classic[classic]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_native_bucket_is_at_most_four_and_a_half_percent_wide(entry):
    layout = layout_of(entry)

    for k, bound in enumerate(layout.bounds):
        exact = 2.0 ** ((layout.lowest + k) / PER_DOUBLING) * entry.scale
        assert bound <= exact < bound + 1 + exact * 1e-12


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_classic_boundary_is_one_of_the_sketch_unless_it_was_asked_for(entry):
    extra = (123_456_789, 7)
    layout = layout_of(entry, extra)

    assert set(extra) < set(layout.classic)
    assert set(layout.classic) - set(extra) <= set(layout.bounds)
    assert list(layout.classic) == sorted(set(layout.classic))


def test_a_unit_without_a_range_is_refused():
    with pytest.raises(CatalogError, match="no range of buckets for histograms in 'ratio'"):
        layout_of(gpus.GPU_UTILIZATION)
