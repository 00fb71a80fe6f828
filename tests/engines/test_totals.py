"""Totals go on: whatever an engine does, what we show of it never falls."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.errors import StateError
from inferometer_exporters.engines.raw import Raw
from inferometer_exporters.engines.totals import Totals
from inferometer_exporters.pages.exposition import Family

SERIES = 4


def raws(count: int = SERIES) -> list[Raw]:
    return [Raw(f"x{n}_total", Family(f"x{n}_total", "counter"), {}, 0, f"x{n}_total") for n in range(count)]


def groups(count: int = SERIES, *, replicas: int = 1) -> dict[int, str]:
    return {place: str(place % replicas) for place in range(count)}


def test_an_engine_that_begins_anew_takes_nothing_back():
    totals = Totals()
    totals.follow([100.0, 50.0, 0.0, 7.0], raws(), groups())

    shown = totals.follow([3.0, 60.0, 2.0, 0.0], raws(), groups())

    assert shown == [103.0, 110.0, 2.0, 7.0], "a total that overtook itself began anew with the others"
    assert totals.restarts == 1


def test_one_counter_that_falls_is_no_restart_of_the_engine():
    totals = Totals()
    totals.follow([100.0, 50.0, 20.0, 7.0], raws(), groups())

    shown = totals.follow([99.0, 51.0, 20.0, 7.0], raws(), groups())

    assert shown == [199.0, 51.0, 20.0, 7.0]
    assert totals.restarts == 0


def test_replicas_on_one_page_begin_anew_one_by_one():
    totals = Totals()
    totals.follow([10.0, 10.0, 10.0, 10.0], raws(), groups(replicas=2))

    shown = totals.follow([1.0, 12.0, 11.0, 12.0], raws(), groups(replicas=2))

    assert shown == [11.0, 12.0, 21.0, 12.0], "places 0 and 2 are of one replica"


def test_a_total_that_has_gone_from_the_page_stays_as_it_was():
    totals = Totals()
    totals.follow([5.0], raws(1), groups(1))

    assert totals.follow([None], raws(1), groups(1)) == [5.0]
    assert totals.follow([float("nan")], raws(1), groups(1)) == [5.0]
    assert totals.follow([6.0], raws(1), groups(1)) == [6.0]


def test_what_never_was_is_unknown():
    assert Totals().follow([None], raws(1), groups(1)) == [None]


@given(
    st.lists(
        st.lists(st.one_of(st.none(), st.integers(0, 50).map(float)), min_size=SERIES, max_size=SERIES), max_size=12
    ),
    st.integers(0, 12),
)
def test_no_total_ever_falls_over_restarts_of_the_engine_and_of_the_sidecar(pages, stopped):
    totals = Totals()
    last: list[float | None] = [None] * SERIES
    for number, page in enumerate(pages):
        if number == stopped:
            again = Totals()
            again.load(json.loads(json.dumps(totals.dump())))
            totals = again
        shown = totals.follow(page, raws(), groups(replicas=2))
        for before, now, read in zip(last, shown, page, strict=True):
            assert before is None or (now is not None and now >= before)
            assert read is None or (now is not None and now >= read)
        last = shown


@pytest.mark.parametrize(
    "wrong", [{}, {"restarts": 1}, {"restarts": 1, "totals": {"x": [1]}}, {"restarts": "1", "totals": {}}]
)
def test_a_state_that_is_none_is_refused(wrong):
    with pytest.raises(StateError, match="not as inferometer writes them"):
        Totals().load(wrong)
