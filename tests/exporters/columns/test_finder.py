"""Rows found by a table of hashes are those that a search finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer_exporters.columns.finder import Finder

IDS = st.one_of(st.integers(0, 9), st.integers(0, (1 << 64) - 1), st.integers(0, 63).map(lambda bit: 1 << bit))


def ids_of(values):
    return np.array(values, np.uint64)


def first_row(known, wanted):
    return known.index(wanted) if wanted in known else -1


@given(st.lists(IDS, max_size=60), st.lists(IDS, max_size=60))
def test_every_id_is_found_at_its_first_row_and_an_unknown_one_nowhere(known, wanted):
    asked = [*wanted, *known]

    assert Finder(ids_of(known))(ids_of(asked)).tolist() == [first_row(known, one) for one in asked]


@given(st.lists(IDS, max_size=60))
def test_an_id_that_an_earlier_row_has_is_repeated(ids):
    assert Finder(ids_of(ids)).repeated.tolist() == [one in ids[:row] for row, one in enumerate(ids)]


@pytest.mark.parametrize("repeats", [1, 2], ids=["each once", "each twice"])
def test_ids_of_a_whole_pass_are_found_also_where_their_places_collide(repeats):
    known = np.tile(np.random.default_rng(5).integers(0, 1 << 64, 20_000, np.uint64), repeats)

    assert Finder(known)(known[::-1]).tolist() == [*range(20_000)][::-1] * repeats
    assert np.count_nonzero(Finder(known).repeated) == 20_000 * (repeats - 1)
