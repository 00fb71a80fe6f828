"""The objective that a history supports, and an honest nothing where it supports none or is too short."""

from decimal import Decimal

import numpy as np
import pytest

from inferometer_compose.backtest.advice import advice, against, too_little
from inferometer_compose.backtest.counts import Counts
from inferometer_compose.backtest.judgement import Judged, Told, used

QUIET = Told(pages=(), per_month=0.0, for_nothing=0.0, hits=())


def judged(target, budget_used, *, allowed=1_000.0, for_nothing=0.0):
    told = Told(pages=(), per_month=0.0, for_nothing=for_nothing, hits=())
    return Judged(target=Decimal(target), allowed=allowed, budget_used=budget_used, ours=told, classic=QUIET)


def counts(days, events=1.0, watched=1.0):
    minutes = days * 1_440
    known = np.arange(minutes) < watched * minutes
    return Counts(begin=0, events=np.full(minutes, events) * known, bad=np.zeros(minutes), known=known)


def test_the_strictest_target_that_left_a_quarter_of_its_budget_is_supported():
    found = advice(counts(30), [judged("99", 0.05), judged("99.9", 0.5), judged("99.95", 0.9), judged("99.99", 4.0)])

    assert found.target == Decimal("99.9")
    assert found.reasons == ("99.95 % would just have been kept: 90 % of its budget went",)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (judged("99.9", 1.4), "99.9 % would have been missed: 140 % of its budget went"),
        (judged("99.9", 0.76), "99.9 % would just have been kept: 76 % of its budget went"),
        (judged("99.99", 0.0, allowed=4.3), "99.99 % allows 4.3 bad requests in all of it: that few prove nothing"),
        (judged("99.9", 0.1, for_nothing=0.6), "99.9 % would wake somebody for nothing 0.6 times a month"),
        (judged("99.9", 0.75), ""),
    ],
)
def test_each_reason_against_a_target_is_said(row, reason):
    assert against(row) == reason


def test_nothing_is_supported_where_the_most_tolerant_target_was_missed():
    found = advice(counts(30), [judged("90", 3.0), judged("95", 6.0)])

    assert found.target is None
    assert found.reasons == ("90 % would have been missed: 300 % of its budget went",)


def test_everything_is_supported_where_nothing_speaks_against_it():
    assert advice(counts(30), [judged("99", 0.0), judged("99.99", 0.0)]).target == Decimal("99.99")


@pytest.mark.parametrize(
    ("history", "message"),
    [
        (counts(3), "3d are known, and a week has days of every kind: ask again after 7 days"),
        (counts(10, watched=0.3), "nobody watched for 70 % of the time"),
        (counts(10, events=0.0), "there was no request"),
        (counts(7), ""),
    ],
)
def test_a_history_that_is_too_short_gives_no_advice(history, message):
    assert too_little(history) == message
    assert (advice(history, [judged("99", 0.0)]).target is None) == bool(message)


def test_a_budget_is_that_of_the_worst_stretch_as_long_as_its_period():
    history = counts(30, events=10.0)
    history.bad[20_000:20_144] = 10.0

    # A tenth of a day was an outage.
    assert used(history, 0.01, 1_440) == pytest.approx(10)
    assert used(history, 0.01, 30 * 1_440) == pytest.approx(10 / 30)
    assert used(history, 0.01, 90 * 1_440) == pytest.approx(10 / 30)
    assert used(counts(1, events=0.0), 0.01, 1_440) == 0
