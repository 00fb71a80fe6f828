"""Rows are little-endian and without gaps, whichever way this machine writes them."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.wire.layout import (
    HEAD_OF_REQUESTS,
    PLAIN_REQUEST,
    REQUESTS,
    SELDOM_IN_REQUESTS,
    TABLES,
    TAIL_OF_REQUESTS,
    Table,
    packed,
)

LIMITS = {"Q": 2**64, "I": 2**32, "H": 2**16, "B": 2**8}


def values(table: Table) -> st.SearchStrategy[tuple]:
    return st.tuples(
        *(
            st.binary(min_size=64, max_size=64) if code == "64s" else st.integers(0, LIMITS[code] - 1)
            for _, code in table.columns
        )
    )


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.section.name)
@given(data=st.data())
def test_a_row_is_as_the_protocol_has_it(table, data):
    row = data.draw(values(table))
    written = struct.pack("<" + "".join(code for _, code in table.columns), *row)

    assert table.row.pack(*row) == written
    assert table.row.unpack(written) == row


@given(row=values(REQUESTS))
def test_a_request_in_two_pieces_is_one_row(row):
    assert HEAD_OF_REQUESTS.pack(*row[:-1]) + TAIL_OF_REQUESTS.pack(row[-1]) == REQUESTS.row.pack(*row)


@given(row=values(REQUESTS))
def test_a_plain_request_is_the_row_whose_seldom_columns_are_0(row):
    given_out = [value for name, value in zip(REQUESTS.names, row, strict=True) if name not in SELDOM_IN_REQUESTS]
    whole = [0 if name in SELDOM_IN_REQUESTS else value for name, value in zip(REQUESTS.names, row, strict=True)]

    assert PLAIN_REQUEST.pack(*given_out) == REQUESTS.row.pack(*whole)


def test_a_machine_that_would_leave_a_gap_does_not():
    assert packed("HQ").size == struct.calcsize("<HQ") == 10
    assert packed("QI").size == struct.calcsize("<QI") == 12


@pytest.mark.parametrize("value", [-1, 2**64])
def test_what_does_not_fit_is_refused(value):
    with pytest.raises(struct.error):
        TAIL_OF_REQUESTS.pack(value)
