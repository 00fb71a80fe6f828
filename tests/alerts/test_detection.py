"""When outages are noticed, against a simulation of the legs' windows second by second."""

from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from inferometer.fleet import durations
from inferometer.fleet.objective import Sli
from inferometer.fleet.slos import ObjectiveSpec
from inferometer_alerts.detection import outages, seconds_until, table
from inferometer_alerts.policy import budget, legs
from inferometer_alerts.rule import Severity


def spec(target="99.9", window="30d"):
    return ObjectiveSpec(
        name="available", sli=Sli.AVAILABILITY, target=Decimal(target), window_ns=durations.parse(window)
    )


def simulated(leg, share, bad_ratio, per_second, seconds):
    """Seconds at which the leg's condition begins and ends, with an outage of *seconds* after a long healthy time."""
    long, short = leg.long_ns // 10**9, leg.short_ns // 10**9
    limit = float(leg.factor * share)

    def bad(now, window):
        return per_second * float(bad_ratio) * max(min(now, seconds) - max(now - window, 0), 0)

    def holds(now):
        return (
            bad(now, long) > limit * per_second * long
            and bad(now, short) > limit * per_second * short
            and bad(now, long) >= leg.min_bad_events
        )

    held = [now for now in range(seconds + short + 2) if holds(now)]
    return (held[0], held[-1]) if held else None


@settings(max_examples=min(60, settings.default.max_examples))
@given(
    target=st.sampled_from(["90", "95", "99", "99.5", "99.9", "99.99"]),
    tier=st.integers(0, 2),
    bad_ratio=st.decimals(min_value=Decimal("0.001"), max_value=1, places=3),
    per_hour=st.sampled_from([2, 60, 600, 60_000]),
)
def test_a_leg_holds_when_a_simulation_says_so(target, tier, bad_ratio, per_hour):
    promise = spec(target)
    share, leg = budget(promise), legs(promise)[tier]
    assume(leg.long_ns <= durations.parse("6h"))
    assume(abs(bad_ratio / leg.ratio(share) - 1) > Decimal("0.02"))
    outage = leg.long_ns // 10**9

    found = seconds_until(leg, share, bad_ratio, per_hour)
    truth = simulated(leg, share, bad_ratio, per_hour / 3_600, outage)

    if truth is None:
        assert found is None
    else:
        assert found == pytest.approx(truth[0], abs=1.5)


def test_the_alert_of_a_long_outage_ends_when_the_simulation_says_so():
    promise = spec("99")
    (outage,) = table(promise, 60_000, [Decimal("0.3")])
    pages = [leg for leg in legs(promise) if leg.severity is Severity.PAGE and leg.ratio(budget(promise)) < 0.3]
    length = 6 * 3_600
    ends = max(simulated(leg, budget(promise), Decimal("0.3"), 10, length)[1] for leg in pages) - length

    assert outage.page_ends_seconds == pytest.approx(ends, abs=1.5)


def test_an_outage_at_twice_the_budget_is_a_ticket_and_no_page():
    *_, least = table(spec(), 600)

    assert least.bad_ratio == Decimal("0.002")
    assert least.page is None
    assert least.ticket.leg.tier == "long"
    assert least.exhausted_seconds == 15 * 86_400


def test_the_share_of_the_budget_that_is_gone_is_that_of_the_events():
    worst = next(table(spec(), 600))

    # 51.84 s of nothing but failures, of 2,592 s that the budget allows.
    assert worst.page.seconds == pytest.approx(51.84)
    assert worst.page.budget_used == pytest.approx(51.84 / 2_592)


def test_a_few_failures_are_no_trend_at_two_requests_an_hour():
    promise = spec()
    worst = next(table(promise, 2))
    fast = next(leg for leg in legs(promise) if leg.tier == "fast")

    assert seconds_until(fast, budget(promise), Decimal(1), 2) is None
    assert worst.page.leg.tier == "medium"
    assert worst.page.seconds == worst.page.leg.min_bad_events / 2 * 3_600


def test_outages_are_not_worse_than_total():
    assert outages(spec("90")) == (Decimal(1), Decimal("0.5"), Decimal("0.2"))
