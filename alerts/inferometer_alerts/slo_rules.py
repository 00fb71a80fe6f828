"""Recording rules of SLOs: counts of events, never averages of ratios; all SLOs in one expression per window.

Windows up to an hour are increases of the raw counters. Longer ones are sums of five-minute tiles, so that their
cost does not depend on how often Prometheus scrapes, and a missing sample costs one tile instead of a month.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, RESULT, SERVICE, SLO
from inferometer.catalog.requests import SLO_EVENTS
from inferometer.fleet import durations
from inferometer.fleet.model import Fleet, ObjectiveSpec
from inferometer.fleet.slos import Slo, slos
from inferometer.promql import Expr, Matcher, Selector
from inferometer_alerts import exact, recorded, slo_alerts
from inferometer_alerts.policy import DIRECT_NS, budget, legs
from inferometer_alerts.recorded import OBJECTIVE, OF_SLO, Recorded
from inferometer_alerts.rule import Group, Rule
from inferometer_alerts.time_scale import TimeScale

TILE: Final = "5m"
NOW: Final = "30s"
# Long windows move slowly; below half of Prometheus's five minutes of look-back nothing vanishes between two rounds.
LATER: Final = "2m"
BAD: Final = "bad"


def groups(fleet: Fleet, scale: TimeScale) -> tuple[Group, ...]:
    """Groups in the order in which they build upon each other."""
    used = {spec.name: spec for spec in (slo.objective for slo in slos(fleet))}
    specs = tuple(used.values())
    windows = _windows(specs)
    direct = [ns for ns in windows if ns <= DIRECT_NS]
    tiled = [ns for ns in windows if ns > DIRECT_NS]
    return (
        Group(
            name="slo-promises",
            interval=NOW,
            rules=(*_info(fleet), *(rule for spec in specs for rule in _promise(spec))),
        ),
        Group(name="slo-tiles", interval=TILE, rules=tuple(_tiles(scale))),
        Group(
            name="slo-later",
            interval=LATER,
            rules=(
                *(rule for ns in tiled for rule in _tiled(durations.render(ns), scale, _users(specs, ns))),
                *_periods(specs, scale),
            ),
        ),
        # Alerts stand behind the rules that they read, so that no round lies between the two.
        Group(
            name="slo-now",
            interval=NOW,
            rules=(
                *(rule for ns in direct for rule in _direct(durations.render(ns), scale, _users(specs, ns))),
                *slo_alerts.alerts(fleet),
            ),
        ),
    )


def _windows(specs: Iterable[ObjectiveSpec]) -> list[int]:
    return sorted({ns for spec in specs for leg in legs(spec) for ns in (leg.short_ns, leg.long_ns)})


def _users(specs: tuple[ObjectiveSpec, ...], window_ns: int) -> tuple[Matcher, ...]:
    """A matcher for the objectives that watch a window; none where all do."""
    users = [spec.name for spec in specs if any(window_ns in (leg.short_ns, leg.long_ns) for leg in legs(spec))]
    return () if len(users) == len(specs) else (promql.one_of(OBJECTIVE, users),)


def _info(fleet: Fleet) -> Iterator[Rule]:
    for slo in slos(fleet):
        yield Rule(
            series=recorded.SLO_INFO,
            expr=promql.scalar(1),
            labels={**labels(slo), **promised(slo)},
        )


def labels(slo: Slo) -> dict[str, str]:
    """What every recorded series of an SLO carries."""
    return {
        SERVICE.name: slo.service,
        MODEL.name: slo.model,
        SLO.name: slo.name,
        OBJECTIVE.name: slo.objective.name,
    }


def promised(slo: Slo) -> dict[str, str]:
    """What ``slo:info`` says besides."""
    return {
        recorded.SLI.name: slo.objective.sli.value,
        recorded.TARGET.name: f"{slo.objective.target.normalize():f}",
        recorded.PERIOD.name: durations.render(slo.objective.window_ns),
    }


def _promise(spec: ObjectiveSpec) -> Iterator[Rule]:
    info = promql.select(recorded.SLO_INFO, promql.equal(OBJECTIVE, spec.name))
    each = promql.sum_by(info, *OF_SLO)
    # The label is there already; written out, it tells the rules of two objectives apart.
    of = {OBJECTIVE.name: spec.name}
    yield Rule(series=recorded.SLO_OBJECTIVE, expr=each * (spec.target / 100), labels=of)
    yield Rule(series=recorded.SLO_BUDGET, expr=each * budget(spec), labels=of)
    yield Rule(series=recorded.SLO_PERIOD, expr=each * (spec.window_ns // 10**9), labels=of)


def _counted(rise: Callable[[Selector], Expr], users: tuple[Matcher, ...]) -> tuple[Expr, Expr]:
    """Events and bad events that counters rose by, for the SLOs that fleet.yaml knows, with their objective."""
    info = promql.select(recorded.SLO_INFO, *users)
    of = tuple(label for label in OF_SLO if label is not OBJECTIVE)
    everything = promql.sum_by(rise(promql.select(SLO_EVENTS)), *of)
    bad = promql.sum_by(rise(promql.select(SLO_EVENTS, promql.equal(RESULT, BAD))), *of)
    return (
        promql.multiply(everything, info, on=(SLO,), keep=(OBJECTIVE,)),
        promql.multiply(bad, info, on=(SLO,), keep=(OBJECTIVE,)),
    )


def _direct(window: str, scale: TimeScale, users: tuple[Matcher, ...]) -> Iterator[Rule]:
    # What is no number is left out: one broken page must not silence the alerts on all others.
    events, bad = _counted(lambda counter: promql.increase(counter, scale.over(window)) >= 0, users)
    yield from _window(window, events, bad, users)


def _tiles(scale: TimeScale) -> Iterator[Rule]:
    events, bad = _counted(lambda counter: exact.increase(counter, TILE, scale), ())
    yield Rule(series=recorded.SLO_EVENTS_TILE, expr=events)
    yield Rule(
        series=recorded.SLO_BAD_TILE,
        expr=promql.either(bad, 0 * promql.select(recorded.SLO_EVENTS_TILE)),
    )


def _tiled(window: str, scale: TimeScale, users: tuple[Matcher, ...]) -> Iterator[Rule]:
    over = scale.over(window)
    yield from _window(
        window,
        promql.sum_over_time(promql.select(recorded.SLO_EVENTS_TILE, *users), over),
        promql.sum_over_time(promql.select(recorded.SLO_BAD_TILE, *users), over),
        users,
    )


def _window(window: str, events: Expr, bad: Expr, users: tuple[Matcher, ...]) -> Iterator[Rule]:
    total, failed = recorded.events(window), recorded.bad_events(window)
    yield Rule(series=total, expr=events)
    # A service that never failed may have no series of failures: 0 times its events, which keeps the labels.
    yield Rule(series=failed, expr=promql.either(bad, 0 * promql.select(total)))
    yield Rule(
        series=recorded.burn_rate(window),
        expr=_ratio(failed, total) / promql.select(recorded.SLO_BUDGET, *users),
    )


def _ratio(bad: Recorded, events: Recorded) -> Expr:
    # No events: no ratio. A division by zero would be NaN, which every sum over it becomes.
    return promql.select(bad) / (promql.select(events) > 0)


def _periods(specs: tuple[ObjectiveSpec, ...], scale: TimeScale) -> Iterator[Rule]:
    periods = sorted({spec.window_ns for spec in specs})
    for series, tile in (
        (recorded.SLO_EVENTS_PERIOD, recorded.SLO_EVENTS_TILE),
        (recorded.SLO_BAD_PERIOD, recorded.SLO_BAD_TILE),
    ):
        sums = (
            promql.sum_over_time(
                promql.select(tile, promql.one_of(OBJECTIVE, _kept_over(specs, period_ns))),
                durations.render(scale.window(period_ns)),
            )
            for period_ns in periods
        )
        yield Rule(series=series, expr=reduce(promql.either, sums))
    used = _ratio(recorded.SLO_BAD_PERIOD, recorded.SLO_EVENTS_PERIOD) / promql.select(recorded.SLO_BUDGET)
    yield Rule(series=recorded.SLO_BUDGET_LEFT, expr=1 - used)


def _kept_over(specs: tuple[ObjectiveSpec, ...], period_ns: int) -> list[str]:
    return [spec.name for spec in specs if spec.window_ns == period_ns]
