"""Buckets found for many values at once are those that are found for each."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inferometer.aggregate.layout import layout_of
from inferometer.catalog import requests
from inferometer_exporters.columns.bins import Cells

ENTRIES = st.sampled_from(
    [requests.REQUEST_DURATION, requests.REQUEST_BYTES, requests.REQUEST_COST, requests.BATCH_SIZE]
)
VALUES = st.one_of(
    st.integers(-5, 5_000),
    st.integers(0, 1 << 62),
    st.integers(0, 1 << 30),
    st.builds(lambda power, by: (1 << power) + by, st.integers(0, 61), st.integers(-3, 3)),
)


def assert_found(layout, values):
    sketch, classic = Cells.of(layout).find(np.array(values, np.int64))

    assert sketch.tolist() == [layout.index(max(value, 1)) for value in values]
    assert classic.tolist() == [layout.classic_index(value) for value in values]


@given(ENTRIES, st.lists(st.integers(1, 1 << 45), max_size=4), st.lists(VALUES, max_size=40))
def test_every_value_is_in_the_bucket_that_the_layout_says(entry, thresholds, values):
    near = [threshold + by for threshold in thresholds for by in (-1, 0, 1)]

    assert_found(layout_of(entry, thresholds), [*values, *near])


@given(ENTRIES, st.integers(2, 1 << 40))
def test_boundaries_that_lie_close_together_are_told_apart(entry, threshold):
    layout = layout_of(entry, [threshold, threshold + 1, threshold + 2])

    assert_found(layout, [threshold + by for by in range(-2, 5)])


@given(ENTRIES)
def test_every_boundary_belongs_to_its_own_bucket_and_what_follows_to_the_next(entry):
    layout = layout_of(entry)

    assert_found(layout, [bound + by for bound in layout.bounds for by in (-1, 0, 1)])
    assert_found(layout, [bound + by for bound in layout.classic for by in (-1, 0, 1)])


def test_no_values_have_no_buckets():
    assert_found(layout_of(requests.REQUEST_DURATION), [])
