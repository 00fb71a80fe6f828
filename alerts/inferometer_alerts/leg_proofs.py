"""Proofs of the legs of an objective: every alert fires when it must and stays quiet when it must.

Per leg four incidents. The first is twice as bad as the leg allows: it must fire when half of the long window is bad,
not before, and must end when half of the short window is good again; a wrong window shows. The next two are bad from
the start, a little above and a little below the limit; a wrong factor shows. In the fourth it goes on below the limit,
of which only the short window knows; a factor of that which is too low shows. Then one bad event too few for a trend,
and one more.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, SERVICE, SLO, TENANT
from inferometer.fleet import durations
from inferometer.fleet.slos import Slo
from inferometer_alerts import promtool, rule_labels, slo_alerts, slo_labels, slo_series
from inferometer_alerts.policy import DIRECT_NS, Leg, budget
from inferometer_alerts.promtool import Check, Test
from inferometer_alerts.samples import Phase
from inferometer_alerts.slo_rules import TILE

_EVENTS_PER_STEP: Final = Decimal(1000)
_MINUTE_NS: Final = durations.parse("1m")
_SCRAPE_NS: Final = durations.parse("15s")
_TILE_NS: Final = durations.parse(TILE)
_CLOSE: Final = Decimal("0.05")
_BELOW: Final = Decimal("0.85")
_ROUNDS_PER_SHORT: Final = 5


def of_leg(slo: Slo, leg: Leg) -> Iterator[Test]:
    """The proofs of one leg."""
    limit = leg.ratio(budget(slo.objective))
    yield _windows(slo, leg, 2 * limit)
    yield _whole(slo, leg, limit * (1 + _CLOSE), fires=True)
    yield _whole(slo, leg, limit * (1 - _CLOSE), fires=False)
    yield _relieved(slo, leg, limit)
    yield from _few(slo, leg)


def _step_ns(leg: Leg) -> int:
    """Between two samples: as in production where a window is short, a minute where that makes no difference."""
    return _MINUTE_NS if leg.short_ns >= 5 * _MINUTE_NS else _SCRAPE_NS


def _evaluation_ns(leg: Leg) -> int:
    # promtool evaluates every group at every step of a test, also those that Prometheus evaluates every five minutes.
    return _TILE_NS if leg.long_ns > DIRECT_NS else _step_ns(leg)


def _seldom_ns(leg: Leg) -> int:
    """Rounds that tell windows of hours and days apart: of tiles that are sampled less often the same share is bad."""
    return max(_evaluation_ns(leg), leg.short_ns // _ROUNDS_PER_SHORT // _TILE_NS * _TILE_NS)


def _windows(slo: Slo, leg: Leg, ratio: Decimal) -> Test:
    """Good for a long window, bad for a long window, good again."""
    step = _step_ns(leg)
    long, short = leg.long_ns // step, leg.short_ns // step
    start, end = leg.long_ns, 2 * leg.long_ns
    return _test(
        slo,
        leg,
        f"{ratio:.2%} bad for {leg.long}",
        [Phase(long, Decimal(0)), Phase(long, ratio), Phase(2 * short + 2, Decimal(0))],
        (
            (start + leg.long_ns * 4 // 10, False),
            (start + leg.long_ns * 6 // 10, True),
            (end + leg.short_ns * 2 // 10, True),
            (end + leg.short_ns * 8 // 10, False),
        ),
    )


def _whole(slo: Slo, leg: Leg, ratio: Decimal, *, fires: bool) -> Test:
    """The same share is bad from the start, so that every window sees the same ratio."""
    short = leg.short_ns // _step_ns(leg)
    return _test(
        slo,
        leg,
        f"{ratio:.4%} bad from the start",
        [Phase(4 * short, ratio)],
        ((3 * leg.short_ns, fires),),
    )


def _relieved(slo: Slo, leg: Leg, limit: Decimal) -> Test:
    """Above the limit for a long window, then a little below it for a short one."""
    step = _step_ns(leg)
    above, long, short = min(limit * 3 / 2, Decimal(1)), leg.long_ns // step, leg.short_ns // step
    at = leg.long_ns + leg.short_ns * 6 // _ROUNDS_PER_SHORT
    return _test(
        slo,
        leg,
        f"{above:.2%} bad for {leg.long}, then less than the limit",
        [Phase(long, above), Phase(2 * short, limit * _BELOW)],
        ((leg.long_ns, True), (at, False)),
    )


def _few(slo: Slo, leg: Leg) -> Iterator[Test]:
    """Nothing but failures, too few of them, and one more."""
    step, evaluation = _step_ns(leg), _evaluation_ns(leg)
    at = (4 * evaluation + leg.min_bad_events * step) // evaluation * evaluation
    for failures, fires in ((leg.min_bad_events - 1, False), (leg.min_bad_events, True)):
        # They have just come, so that the short window holds all of them; none is at the start, as the first sample of
        # a counter says nothing of what came before.
        still = at // step - failures - 1
        phases = [Phase(still, Decimal(0)), Phase(failures, Decimal(1)), Phase(at // step, Decimal(0))]
        yield Test(
            name=f"{slo.name} {leg.tier}: {failures} requests, all bad",
            evaluation_ns=evaluation,
            step_ns=step,
            series=slo_series.inputs(slo, bad=phases),
            checks=(_check(slo, leg, at, fires=fires),),
            about=slo_series.about(slo),
        )


def _test(slo: Slo, leg: Leg, what: str, bad: list[Phase], checks: tuple[tuple[int, bool], ...]) -> Test:
    """A test with 1,000 events per step, of which each phase has its share of bad ones."""
    evaluation = _seldom_ns(leg)
    return Test(
        name=f"{slo.name} {leg.tier}: {what}",
        evaluation_ns=evaluation,
        step_ns=_step_ns(leg),
        series=slo_series.inputs(
            slo,
            good=[Phase(p.samples, (1 - p.rise) * _EVENTS_PER_STEP) for p in bad],
            bad=[Phase(p.samples, p.rise * _EVENTS_PER_STEP) for p in bad],
        ),
        # What must be over by then is looked for in the next round, what must still be there in the one before.
        checks=tuple(
            _check(slo, leg, (at if fires else at + evaluation - 1) // evaluation * evaluation, fires=fires)
            for at, fires in checks
        ),
        about=slo_series.about(slo),
    )


def _check(slo: Slo, leg: Leg, at_ns: int, *, fires: bool) -> Check:
    alert = slo_alerts.alert(slo.objective, leg)
    tier = promql.equal(rule_labels.SLO_TIER, leg.tier)
    only = (promql.equal(SLO, slo.name), tier)
    if not fires:
        return promtool.quiet(alert, at_ns, only=only)
    said = slo_labels.labels(slo)
    of = tuple(promql.equal(label, said[label.name]) for label in (SERVICE, MODEL, TENANT) if label.name in said)
    return promtool.fires(alert, at_ns, only=(*only, *of))
