"""Whole numbers in parts that sum to the whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer_exporters.recorder.remainders import split


@given(st.integers(-(10**24), 10**24), st.lists(st.integers(0, 10**15), min_size=1).filter(any))
def test_parts_sum_to_the_whole_and_none_is_further_from_its_share_than_one(total, weights):
    parts = split(total, weights)

    assert sum(parts) == total
    assert all(
        abs(part * sum(weights) - total * weight) < sum(weights) for part, weight in zip(parts, weights, strict=True)
    )


def test_what_is_left_goes_to_whom_rounding_took_most():
    assert split(100, [1, 1, 1]) == [34, 33, 33]
    assert split(10, [0, 26, 74]) == [0, 3, 7]
    assert split(-10, [26, 74]) == [-3, -7]


def test_nothing_can_be_divided_by_nothing():
    assert split(0, [0, 0]) == [0, 0]
    assert split(0, []) == []
    with pytest.raises(ValueError, match="7 cannot be divided by weights that sum to 0"):
        split(7, [0])
