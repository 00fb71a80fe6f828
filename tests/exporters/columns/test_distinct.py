"""What is found by counting is what sorting finds, for numbers of any size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer_exporters.columns.distinct import distinct, occurring, ordered

SMALL = st.lists(st.integers(0, 12), max_size=40).map(lambda found: np.array(found, np.uint32))
ANY = st.lists(st.one_of(st.integers(-3, 3), st.integers(0, 1 << 60)), max_size=40).map(
    lambda found: np.array(found, np.int64)
)
IDS = st.lists(st.one_of(st.integers(0, 9), st.integers(0, (1 << 64) - 1)), max_size=40).map(
    lambda found: np.array(found, np.uint64)
)
COLUMNS = pytest.mark.parametrize("columns", [SMALL, ANY, IDS], ids=["small", "any", "ids"])


@COLUMNS
@given(st.data())
def test_values_come_once_and_ascending_with_their_rows(columns, data):
    column = data.draw(columns)

    found = distinct(column)

    assert found.values.tolist() == sorted(set(column.tolist())) == occurring(column)
    assert found.values[found.member].tolist() == column.tolist()
    assert found.numbers.tolist() == [column.tolist().count(value) for value in found.values.tolist()]


@COLUMNS
@given(st.data())
def test_rows_of_one_value_stay_in_order(columns, data):
    column = data.draw(columns)

    assert ordered(column).tolist() == sorted(range(len(column)), key=column.tolist().__getitem__)
