"""The engine of the backtest: windows over counters and tiles, pages and where they began, chance, and incidents.

That it fires when Prometheus does is shown in tests/peers/test_backtest.py.
"""

import contextlib
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.errors import InferometerError
from inferometer.fleet.objective import Sli
from inferometer.fleet.slos import ObjectiveSpec
from inferometer_alerts import detection
from inferometer_alerts.policy import legs
from inferometer_alerts.rule import Severity
from inferometer_compose.backtest import chance, replay
from inferometer_compose.backtest.conditions import Condition, classic, ours, paging
from inferometer_compose.backtest.counts import Counts, summed
from inferometer_compose.backtest.engine import CLOCK, Clock, History, counters, episodes
from inferometer_compose.backtest.incident import Incident, Kind, parse, strike

DAY_NS = 86_400 * 10**9
NOON = 1_790_000_000 // 300 * 300


def spec(target="99.9", sli=Sli.AVAILABILITY):
    return ObjectiveSpec(name="o", sli=sli, target=Decimal(target), window_ns=30 * DAY_NS)


def counts(events, bad):
    events = np.asarray(events, float)
    return Counts(begin=NOON, events=events, bad=np.asarray(bad, float), known=np.ones(len(events), bool))


def steady(minutes, per_minute=10.0, **outages):
    bad = np.zeros(minutes)
    for first, (last, share) in outages.items():
        bad[int(first[1:]) : last] = share * per_minute
    return counts(np.full(minutes, per_minute), bad)


@given(st.lists(st.integers(0, 50), min_size=15, max_size=20), st.integers(2, 15))
def test_an_increase_is_what_came_in_the_window_but_for_the_step_before_its_first_sample(values, minutes):
    history = History.of(counts(values, values))
    events, bad = history.sums(minutes * 60, tiled=False)
    at = len(values) * 60 // CLOCK.evaluation - 1
    window = minutes * 60
    whole = history._counters[0][0]
    seen = whole[-1] - whole[-1 - window // CLOCK.scrape + 1]

    assert events[0, at] == pytest.approx(seen * window / (window - CLOCK.scrape))
    assert np.array_equal(events, bad)


def test_a_counter_is_not_extrapolated_below_its_zero():
    values = np.zeros(20)
    values[10:] = 6
    known, born = (History.of(counts(values, values), born=born).sums(300, tiled=False)[0][0] for born in (False, True))

    # At the thirteenth minute the window holds the whole life of the counter.
    at = 13 * 2 - 1
    assert born[at] == 18
    assert known[at] == pytest.approx(18 * 300 / 285)


def test_a_window_of_tiles_is_the_sum_of_its_tiles_as_they_were_at_the_last_round():
    values = np.arange(600) % 7
    events, _ = History.of(counts(values, values)).sums(6 * 3_600, tiled=True)
    whole = np.concatenate([[0], np.cumsum(values)])

    # At 9:59 the last round was at 9:58, and the last tile then the one of 9:55.
    at = 599 * 2 - 1
    assert events[0, at] == pytest.approx(whole[5 * 119] - whole[5 * (119 - 72)])


def test_a_condition_that_must_hold_fires_when_it_held_for_so_long():
    condition = Condition(tier="t", severity=Severity.PAGE, limit=0.5, long=300, short=60)
    history = History.of(steady(60, m20=(40, 1.0)))
    at = np.flatnonzero(history.holds(condition)[0])
    later = np.flatnonzero(history.holds(replace(condition, held=120))[0])

    assert later[0] == at[0] + 4
    assert later[-1] == at[-1]


def test_one_page_is_what_fires_again_within_five_minutes():
    firing = np.zeros(200, bool)
    firing[[10, 11, 12, 22, 33, 100]] = True

    assert episodes(firing) == [(10, 22), (33, 33), (100, 100)]
    assert episodes(np.zeros(5, bool)) == []


@pytest.mark.parametrize("target", ["90", "95", "99", "99.9", "99.99"])
@pytest.mark.parametrize("share", [1.0, 0.2, 0.02])
def test_an_outage_pages_when_the_arithmetic_of_explain_says(target, share):
    history = steady(26 * 60, per_minute=1_000.0, m600=(26 * 60, share))
    found = replay.pages(history, spec(target), paging(ours(spec(target))))
    (outage,) = detection.table(spec(target), 60_000, [Decimal(str(share))])

    if outage.page is None:
        assert found == []
    else:
        assert 0 <= found[0].seconds - outage.page.seconds <= outage.page.delay_seconds
        assert found[0].began == NOON + 600 * 60


def test_a_page_tells_when_it_began_and_what_it_cost():
    history = steady(30 * 1_440, m20000=(20_030, 0.5))
    (page,) = replay.pages(history, spec(), paging(ours(spec())))
    allowed = 0.001 * 30 * 1_440 * 10

    assert page.began == NOON + 20_000 * 60
    assert page.tier == "fast"
    assert page.budget_used == pytest.approx(page.seconds / 60 * 5 / allowed, rel=0.01)
    assert page.budget_lost == pytest.approx(30 * 5 / allowed)
    assert page.ended > page.began + 30 * 60


def test_a_healthy_service_is_paged_by_chance_as_often_as_the_benchmark_says():
    # benchmarks/false_pages.py: at 99.9 % and 60 requests an hour some 20 with the classic windows, 0.06 with ours.
    history = counts(np.random.default_rng(1).poisson(1.0, 30 * 1_440), np.zeros(30 * 1_440))
    months = chance.healthy(history, 0.001)

    assert 15 < chance.for_nothing(months, paging(classic(spec()))) < 26
    assert chance.for_nothing(months, paging(ours(spec()))) < 0.5
    events, bad = (counter[:, -1].sum() for counter in months._counters)
    assert bad == pytest.approx(chance.MONTHS * events * 0.0005, rel=0.3)


@given(st.floats(0.001, 1), st.sampled_from(list(Kind)), st.integers(60, 6 * 86_400), st.none() | st.integers(0, 2**31))
def test_an_incident_is_read_as_it_is_written(share, kind, seconds, at):
    moment = "" if at is None else f" at {at}s ago"
    found = parse(f" {100 * share:.6f}%  {kind} for {seconds}s{moment} ", now=2**31)

    assert found.share == pytest.approx(share, abs=1e-8)
    assert (found.kind, found.seconds) == (kind, seconds)
    assert found.at == (None if at is None else 2**31 - at)


@given(st.text(max_size=40))
def test_any_other_text_is_refused_and_said_what_would_be_right(text):
    with contextlib.suppress(InferometerError):
        assert parse(text, now=0).share > 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("all errors for 1h", "write SHARE% errors|slow for DURATION [at MOMENT]"),
        ("20 errors for 1h", "is no incident"),
        (
            "20% failures for 1h",
            "'failures' in '20% failures for 1h' is nothing that goes wrong; there are errors, slow",
        ),
        ("0% errors for 1h", "0% in '0% errors for 1h' is no share of requests"),
        ("120% errors for 1h", "120% in"),
        ("20% errors for 30", "30 has no unit; write 30s, for instance"),
        ("20% errors for 10s", "10s in '20% errors for 10s' is too short or too long"),
        ("20% errors for 30d", "write 1m to 7d"),
        ("20% errors for 1h at noon", "'noon' in '20% errors for 1h at noon' is no moment"),
    ],
)
def test_what_is_no_incident_says_why(text, message):
    with pytest.raises(InferometerError) as error:
        parse(text, now=0)

    assert message in str(error.value)


def test_a_moment_is_one_of_this_machine_or_of_its_offset():
    assert parse("5% slow for 1m at 2026-11-20T10:00Z", now=0).at == 1_795_168_800
    assert parse("5% slow for 1m at 3d", now=10**9).at == 10**9 - 3 * 86_400


@given(st.floats(0.01, 1), st.integers(0, 99), st.integers(1, 200))
def test_an_incident_takes_its_share_of_the_good_requests_and_nothing_else(share, first, minutes):
    before = counts(np.full(100, 10.0), np.full(100, 2.0))
    incident = Incident(share=share, kind=Kind.ERRORS, seconds=minutes * 60)
    after = strike(before, incident, Sli.AVAILABILITY, NOON + first * 60)
    hit = min(minutes, 100 - first)

    assert after.total == before.total
    assert after.total_bad == pytest.approx(before.total_bad + 8 * share * hit)
    assert (after.bad <= after.events).all()


@pytest.mark.parametrize(
    ("kind", "sli", "events", "bad"),
    [
        (Kind.ERRORS, Sli.AVAILABILITY, 10, 6),
        (Kind.SLOW, Sli.AVAILABILITY, 10, 2),
        (Kind.SLOW, Sli.LATENCY, 10, 6),
        (Kind.SLOW, Sli.TIME_TO_FIRST_TOKEN, 10, 6),
        # A request that failed in time counts neither way for latency.
        (Kind.ERRORS, Sli.LATENCY, 6, 2),
        (Kind.ERRORS, Sli.GOODPUT, 10, 6),
        (Kind.SLOW, Sli.GOODPUT, 10, 6),
        (Kind.ERRORS, Sli.FRESHNESS, 10, 2),
    ],
)
def test_an_incident_counts_for_what_an_objective_measures(kind, sli, events, bad):
    incident = Incident(share=0.5, kind=kind, seconds=60)
    after = strike(counts([10.0], [2.0]), incident, sli, NOON)

    assert (after.total, after.total_bad) == (events, bad)


def test_an_incident_without_a_moment_is_tried_over_the_whole_history_at_every_hour_of_the_day():
    history = steady(30 * 1_440)
    moments = replay.starts(history, Incident(share=1, kind=Kind.ERRORS, seconds=3_600), lead=6 * 3_600)

    assert len(moments) == replay.STARTS
    assert history.begin + 6 * 3_600 <= moments[0]
    assert moments[-1] + 3_600 <= history.end
    assert len({moment // 3_600 % 24 for moment in moments}) > 15


def test_at_night_somebody_is_told_later_than_at_noon():
    hours = np.arange(14 * 1_440) / 60 % 24
    history = counts(np.where((hours > 8) & (hours < 20), 100.0, 0.5), np.zeros(14 * 1_440))
    incident = Incident(share=0.2, kind=Kind.ERRORS, seconds=3_600)
    day, night = (
        replay.hits(history, spec(), paging(ours(spec())), replace(incident, at=NOON + (7 * 24 + hour) * 3_600))[0]
        for hour in (12, 2)
    )

    assert day.seconds < night.seconds or night.seconds is None
    assert day.at == NOON + (7 * 24 + 12) * 3_600


def test_a_part_of_a_history_pages_as_the_whole_does():
    history = steady(3 * 1_440, m2000=(2_200, 0.3))
    incident = Incident(share=0.3, kind=Kind.ERRORS, seconds=200 * 60, at=NOON + 2_000 * 60)
    (hit,) = replay.hits(steady(3 * 1_440), spec("99"), paging(ours(spec("99"))), incident)
    (page,) = replay.pages(history, spec("99"), paging(ours(spec("99"))))

    assert hit.seconds == page.seconds


def test_rows_of_a_source_become_minutes_in_any_order():
    found = summed(
        np.array([12.0, 10.0, 12.0]), np.array([5.0, 1.0, 7.0]), np.array([1.0, 0.0, 2.0]), begin=600, end=840
    )

    assert found.events.tolist() == [1, 0, 12, 0]
    assert found.bad.tolist() == [0, 0, 3, 0]
    with pytest.raises(ValueError, match="no minute lies between"):
        summed(np.zeros(0), np.zeros(0), np.zeros(0), begin=600, end=600)


def test_what_was_counted_over_five_minutes_is_spread_over_them():
    found = summed(np.array([10.0]), np.array([50.0]), np.array([5.0]), begin=600, end=1_200, resolution=300)

    assert found.events.tolist() == [10] * 5 + [0] * 5
    assert found.bad.tolist() == [1] * 5 + [0] * 5


def test_the_engine_needs_no_more_than_a_counter_and_a_clock():
    clock = Clock(scrape=30)
    assert counters(np.array([[2.0, 4.0]]), 60, clock).tolist() == [[0, 1, 2, 4, 6]]
    assert History.of(steady(10), clock).times.tolist() == [30.0 * number for number in range(1, 21)]
    assert {condition.tier for condition in ours(spec())} == {leg.tier for leg in legs(spec())}
