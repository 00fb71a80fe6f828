"""Stretches of time: what is asked for, in whole steps that fit a screen, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer_dashboards.live.ranges import MAX_SECONDS, SECOND, Range, asked

NOW = 1_790_000_000 * SECOND + 123


@pytest.mark.parametrize(
    ("seconds", "step"),
    [
        (30, 1),
        (60, 1),
        (300, 5),
        (900, 10),
        (3_600, 60),
        (10_800, 120),
        (21_600, 300),
        (86_400, 1_200),
        (90_000, 3_600),
    ],
)
def test_steps_are_such_that_a_screen_shows_them(seconds, step):
    shown = asked({"since_seconds": str(seconds)}, NOW)

    assert shown.step_ns == step * SECOND
    assert (shown.until_ns - shown.since_ns) / shown.step_ns <= 180


def test_without_a_word_it_is_a_quarter_of_an_hour_until_now():
    shown = asked({}, NOW)

    assert (shown.until_ns, shown.step_ns) == (NOW, 10 * SECOND)
    assert 0 <= NOW - 900 * SECOND - shown.since_ns < shown.step_ns


def test_whoever_wants_other_steps_says_so():
    assert asked({"from": "900", "to": "930", "step_seconds": "30"}, NOW) == Range(
        900 * SECOND, 930 * SECOND, 30 * SECOND
    )


def test_a_begin_and_an_end_are_kept():
    assert asked({"from": "1000", "to": "1030.5"}, NOW) == Range(1_000 * SECOND, int(1_030.5 * SECOND), SECOND)


@given(st.floats(1, MAX_SECONDS))
def test_a_range_begins_at_a_step_and_holds_what_was_asked_for(seconds):
    shown = asked({"since_seconds": repr(seconds)}, NOW)

    assert shown.since_ns % shown.step_ns == 0
    assert shown.since_ns <= NOW - int(seconds * SECOND) + SECOND


def test_steps_of_seconds_become_minutes_where_much_is_recorded():
    assert asked({"since_seconds": "900"}, NOW).coarser().step_ns == 60 * SECOND
    long = asked({"since_seconds": "86400"}, NOW)
    assert long.coarser() == long


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"since_seconds": "soon"}, "since_seconds is 'soon', a number of seconds from 0 to 604800 is right"),
        ({"since_seconds": "86400", "step_seconds": "1"}, "up to 2,000 steps of a second at least are right"),
        ({"step_seconds": "0"}, "steps of a second at least"),
        ({"since_seconds": "nan"}, "a number of seconds"),
        ({"since_seconds": "-1"}, "a number of seconds"),
        ({"since_seconds": "1e9"}, "a number of seconds"),
        ({"from": "10"}, "to is ''"),
        ({"from": "20", "to": "10"}, "an end after the begin is right"),
        ({"from": "0", "to": "1e9"}, "up to 604800 are right"),
    ],
)
def test_a_wrong_range_is_refused_with_what_would_be_right(parameters, message):
    with pytest.raises(ValueError, match=r".") as caught:
        asked(parameters, NOW)

    assert message in str(caught.value)
