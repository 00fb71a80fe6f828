"""Windows and factors: every leg can fire for every objective that fleet.yaml accepts."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.fleet import durations
from inferometer.fleet.objective import COUNTED, Sli
from inferometer.fleet.slos import ObjectiveSpec
from inferometer_alerts import detection
from inferometer_alerts.policy import MIN_BAD_EVENTS, TIERS, budget, legs
from inferometer_alerts.rule import Severity

DELAY_SECONDS = 15 + 30
"""One scrape and one evaluation."""


def spec(target: str | Decimal = "99.9", window: str = "30d") -> ObjectiveSpec:
    return ObjectiveSpec(
        name="available",
        sli=Sli.AVAILABILITY,
        target=Decimal(target),
        window_ns=durations.parse(window),
    )


targets = st.decimals(min_value=90, max_value=Decimal("99.99"), places=2)
windows = st.integers(min_value=1, max_value=90).map(lambda days: f"{days}d")


def test_the_table_of_the_workbook_at_three_nines_over_thirty_days():
    table = [(leg.tier, leg.severity, leg.long, leg.short, float(leg.factor)) for leg in legs(spec())]

    assert table == [
        ("fast", Severity.PAGE, "1h", "5m", 14.4),
        ("medium", Severity.PAGE, "6h", "30m", 6.0),
        ("slow", Severity.TICKET, "1d", "2h", 3.0),
        ("long", Severity.TICKET, "3d", "6h", 1.0),
    ]


@given(target=targets, window=windows)
def test_every_leg_fires_well_below_a_total_outage(target, window):
    promise = spec(target, window)

    assert all(leg.ratio(budget(promise)) <= Decimal("0.501") for leg in legs(promise))


@given(target=targets, window=windows)
def test_no_leg_fires_while_the_budget_lasts(target, window):
    assert all(leg.factor >= 1 for leg in legs(spec(target, window)))


@given(target=targets, window=windows)
def test_pages_ask_for_more_bad_events_than_chance_brings_and_a_total_outage_brings_them_soon(target, window):
    pages = [leg for leg in legs(spec(target, window)) if leg.severity is Severity.PAGE]

    assert all(MIN_BAD_EVENTS <= leg.min_bad_events <= 12 for leg in pages)


def test_where_more_requests_fail_in_health_more_of_them_make_a_page():
    fewest = {target: [leg.min_bad_events for leg in legs(spec(target))] for target in ("90", "99", "99.9")}

    assert fewest == {"90": [6, 5, 6, 3, 3], "99": [3, 4, 4, 3, 3], "99.9": [4, 4, 3, 3]}


@given(target=targets, window=windows)
def test_the_more_urgent_leg_has_the_shorter_window_and_the_higher_factor(target, window):
    chosen = [leg for leg in legs(spec(target, window)) if leg.tier != "outage"]

    assert [leg.long_ns for leg in chosen] == sorted(leg.long_ns for leg in chosen)
    assert [leg.factor for leg in chosen] == sorted((leg.factor for leg in chosen), reverse=True)
    assert all(leg.short_ns < leg.long_ns for leg in chosen)


@given(target=targets, window=windows)
def test_windows_are_whole_minutes_that_hold_four_scrapes(target, window):
    minute = durations.parse("1m")

    assert all(
        ns % minute == 0 and ns >= minute for leg in legs(spec(target, window)) for ns in (leg.long_ns, leg.short_ns)
    )


@pytest.mark.parametrize(("target", "minutes"), [("99.9", 2), ("99", 3), ("95", 5), ("90", 10)])
def test_a_total_outage_pages_in_time(target, minutes):
    promise = spec(target)
    fastest = min(leg.outage_seconds(budget(promise)) for leg in legs(promise) if leg.severity is Severity.PAGE)

    assert fastest + DELAY_SECONDS <= 60 * minutes


@given(target=targets, window=windows)
def test_a_leg_watches_for_an_outage_only_where_it_is_quicker_than_the_others(target, window):
    promise = spec(target, window)
    first, *others = legs(promise)

    assert first.tier in {"outage", "fast"}
    assert all(first.outage_seconds(budget(promise)) < leg.outage_seconds(budget(promise)) for leg in others)


@given(target=targets, window=windows)
def test_tiers_come_in_the_order_in_which_they_inhibit_each_other(target, window):
    tiers = [leg.tier for leg in legs(spec(target, window))]

    assert tiers == [tier for tier in TIERS if tier in tiers]


@given(target=targets, window=windows, sli=st.sampled_from([sli for sli in Sli if sli not in COUNTED]))
def test_what_is_looked_at_every_half_minute_has_enough_looks_in_each_window_for_every_leg_to_fire(target, window, sli):
    promise = replace(spec(target, window), sli=sli)

    for leg in legs(promise):
        looks = leg.long_ns // durations.parse("30s")
        assert leg.min_bad_events == MIN_BAD_EVENTS <= looks
        assert leg.ratio(budget(promise)) < 1
    assert detection.events_per_hour(promise, 7) == 120
