"""Durations: what is written is read back; scaled ones keep their floor."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.fleet import durations

MS = durations.UNITS["ms"]
MILLISECONDS = st.integers(min_value=0, max_value=400 * durations.UNITS["d"] // MS)


@given(MILLISECONDS)
def test_what_is_rendered_is_parsed_back(milliseconds):
    nanoseconds = milliseconds * MS

    assert durations.parse(durations.render(nanoseconds)) == nanoseconds


@given(MILLISECONDS, st.integers(min_value=1, max_value=10_000))
def test_a_divided_duration_is_whole_milliseconds_and_not_below_its_floor(milliseconds, by):
    floor = 4 * durations.UNITS["s"]

    divided = durations.divide(milliseconds * MS, by, floor=floor)

    assert divided >= floor
    assert divided % MS == 0
    assert divided == floor or divided <= milliseconds * MS // by


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("5m", 300), ("1h30m", 5400), ("2w", 1_209_600), ("1y", 31_536_000)]
)
def test_units_are_those_of_prometheus(text, seconds):
    assert durations.parse(text) == seconds * 10**9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("30", "30 has no unit; write 30s, for instance"),
        ("1h30", "30 has no unit; write 1h30m, for instance"),
        ("", "write a whole number and a unit"),
        ("1.5h", "write a whole number and a unit"),
        ("5m1h", "write a whole number and a unit"),
        ("-5m", "write a whole number and a unit"),
        ("5 m", "write a whole number and a unit"),
        ("\N{ARABIC-INDIC DIGIT FIVE}m", "write a whole number and a unit"),
    ],
)
def test_what_is_no_duration_says_what_would_be(text, message):
    with pytest.raises(ValueError, match=message):
        durations.parse(text)


def test_a_negative_duration_is_not_rendered():
    with pytest.raises(ValueError, match="cannot be negative"):
        durations.render(-1)
