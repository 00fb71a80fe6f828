"""A question that does not fit the memory is asked again with more, which is given back."""

import duckdb
import pytest

from inferometer_exporters.recorder.opening import MEMORY
from inferometer_exporters.recorder.reading import rows
from inferometer_exporters.recorder.room import MORE, Room

LIMIT = "select value from duckdb_settings() where name = 'memory_limit'"


@pytest.fixture
def cursor(bench):
    found = bench.recorder.cursor()
    yield found
    found.close()


def limit(cursor):
    return rows(cursor, LIMIT)[0][0]


def test_what_fits_is_asked_once(cursor):
    asked = []

    assert Room().ask(cursor, lambda _: asked.append(1) or "answer") == "answer"
    assert asked == [1]


def test_what_does_not_fit_gets_more_and_gives_it_back(cursor):
    usual = limit(cursor)
    seen = []

    def question(given):
        seen.append(limit(given))
        # A list of 6,500,000 numbers of 8 bytes: more than there is, less than there may be.
        return rows(given, "select len(list(range)) from range(6_500_000)")

    assert Room().ask(cursor, question) == [(6_500_000,)]
    assert len(seen) == 2
    assert seen[0] == usual != seen[1]
    assert limit(cursor) == usual
    assert (MEMORY, MORE) == ("64MB", "192MB")


def test_what_does_not_fit_at_all_is_an_error_and_gives_the_memory_back(cursor):
    usual = limit(cursor)
    with pytest.raises(duckdb.OutOfMemoryException):
        Room().ask(cursor, lambda given: rows(given, "select list(range) from range(1_000_000_000)"))

    assert limit(cursor) == usual
