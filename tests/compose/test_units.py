"""Figures read as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer_compose.screens.units import UNKNOWN, clock, dollars, duration, percent


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, UNKNOWN),
        (0.00031, "310 µs"),
        (0.0042, "4.2 ms"),
        (0.143, "143 ms"),
        (1.239, "1.24 s"),
        (0.00995, "10 ms"),
    ],
)
def test_a_duration_has_the_unit_that_suits_it(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("usd", "text"), [(None, UNKNOWN), (0, "$0"), (0.0019, "$0.0019"), (12.3, "$12.30"), (6.1e-6, "$0.0000061")]
)
def test_money_has_two_digits_that_matter_and_no_exponent(usd, text):
    assert dollars(usd) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (7.9, "0:07"), (61, "1:01"), (750, "12:30"), (-1, "0:00")])
def test_a_clock_shows_minutes_and_seconds(seconds, text):
    assert clock(seconds) == text


def test_what_is_less_than_everything_never_reads_as_everything():
    assert percent(0.99999, digits=2) == "99.99 %"
    assert percent(0.999) == "99 %"
    assert percent(1.0, digits=2) == "100.00 %"
    assert percent(0.0) == "0 %"
    assert percent(0.0001) == "< 1 %"
    assert percent(None) == UNKNOWN


@given(st.floats(1e-12, 1e6))
def test_money_never_loses_its_size(usd):
    assert float(dollars(usd).lstrip("$").replace(",", "")) == pytest.approx(usd, rel=0.06)
