"""Recording rules of SLOs: counts of events, never averages of ratios; all SLOs in one expression per window.

Windows up to an hour are increases of the raw counters. Longer ones are sums of five-minute tiles, so that their
cost does not depend on how often Prometheus scrapes, and a missing sample costs one tile instead of a month.
"""

from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Final

from inferometer import promql
from inferometer.fleet import durations
from inferometer.fleet.model import Fleet
from inferometer.fleet.slos import ObjectiveSpec, Slo, slos
from inferometer.promql import Expr, Matcher
from inferometer_alerts import exact, recorded_slos, slo_alerts, slo_labels, slot_rules, sources
from inferometer_alerts.policy import DIRECT_NS, budget, legs
from inferometer_alerts.rule import Group, Rule
from inferometer_alerts.rule_labels import OBJECTIVE, OF_SLO
from inferometer_alerts.rule_series import Recorded
from inferometer_alerts.sources import Over, Rise
from inferometer_alerts.time_scale import TimeScale

TILE: Final = "5m"
NOW: Final = "30s"
# Long windows move slowly; below half of Prometheus's five minutes of look-back nothing vanishes between two rounds.
LATER: Final = "2m"
BAD: Final = sources.BAD


def groups(fleet: Fleet, scale: TimeScale) -> tuple[Group, ...]:
    """Groups in the order in which they build upon each other; none where no model promises anything."""
    every = tuple(slos(fleet))
    if not every:
        return ()
    specs = tuple({slo.objective.name: slo.objective for slo in every}.values())
    windows = _windows(specs)
    direct = [ns for ns in windows if ns <= DIRECT_NS]
    tiled = [ns for ns in windows if ns > DIRECT_NS]
    return (
        Group(
            name="slo-promises",
            interval=NOW,
            rules=(
                *_info(every),
                *(rule for spec in specs for rule in _promise(spec)),
                *slot_rules.rules(every, scale),
            ),
        ),
        Group(name="slo-tiles", interval=TILE, rules=(*slot_rules.tiles(every), *_tiles(every, scale))),
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
                *(rule for ns in direct for rule in _direct(every, ns, scale, _users(specs, ns))),
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


def _info(every: Iterable[Slo]) -> Iterator[Rule]:
    for slo in every:
        said = {**slo_labels.labels(slo), **slo_labels.promised(slo)}
        yield Rule(
            series=recorded_slos.SLO_INFO,
            expr=promql.scalar(1),
            labels={name: said.get(name, "") for name in recorded_slos.SLO_INFO.label_names},
        )


def _promise(spec: ObjectiveSpec) -> Iterator[Rule]:
    info = promql.select(recorded_slos.SLO_INFO, promql.equal(OBJECTIVE, spec.name))
    each = promql.sum_by(info, *OF_SLO)
    # The label is there already; written out, it tells the rules of two objectives apart.
    of = {OBJECTIVE.name: spec.name}
    yield Rule(series=recorded_slos.SLO_OBJECTIVE, expr=each * (spec.target / 100), labels=of)
    yield Rule(series=recorded_slos.SLO_BUDGET, expr=each * budget(spec), labels=of)
    yield Rule(series=recorded_slos.SLO_PERIOD, expr=each * (spec.window_ns // 10**9), labels=of)


def _direct(every: Iterable[Slo], window_ns: int, scale: TimeScale, users: tuple[Matcher, ...]) -> Iterator[Rule]:
    window = durations.render(window_ns)
    over = scale.over(window)
    watching = _watching(every, window_ns)
    # What is no number is left out: one broken page must not silence the alerts on all others.
    rise: Rise = lambda counter: promql.increase(counter, over) >= 0  # noqa: E731 - one expression
    looks: Over = lambda slots: promql.sum_over_time(slots, over)  # noqa: E731 - one expression
    events, bad = sources.counted(watching, rise, looks, users)
    # A service that never failed may have no series of failures: 0 times its events, which keeps the labels.
    yield from _window(window, events, promql.either(bad, 0 * promql.select(recorded_slos.events(window))), users)


def _watching(every: Iterable[Slo], window_ns: int) -> list[Slo]:
    return [slo for slo in every if any(window_ns in (leg.short_ns, leg.long_ns) for leg in legs(slo.objective))]


def _tiles(every: Iterable[Slo], scale: TimeScale) -> Iterator[Rule]:
    over = scale.over(TILE)
    events, bad = sources.counted(
        every,
        lambda counter: exact.increase(counter, TILE, scale),
        lambda slots: promql.sum_over_time(slots, over),
        (),
    )
    yield Rule(series=recorded_slos.SLO_EVENTS_TILE, expr=events)
    yield Rule(
        series=recorded_slos.SLO_BAD_TILE,
        expr=promql.either(bad, 0 * promql.select(recorded_slos.SLO_EVENTS_TILE)),
    )


def _tiled(window: str, scale: TimeScale, users: tuple[Matcher, ...]) -> Iterator[Rule]:
    over = scale.over(window)
    yield from _window(
        window,
        promql.sum_over_time(promql.select(recorded_slos.SLO_EVENTS_TILE, *users), over),
        promql.sum_over_time(promql.select(recorded_slos.SLO_BAD_TILE, *users), over),
        users,
    )


def _window(window: str, events: Expr, bad: Expr, users: tuple[Matcher, ...]) -> Iterator[Rule]:
    total, failed = recorded_slos.events(window), recorded_slos.bad_events(window)
    yield Rule(series=total, expr=events)
    yield Rule(series=failed, expr=bad)
    yield Rule(
        series=recorded_slos.burn_rate(window),
        expr=_ratio(failed, total) / promql.select(recorded_slos.SLO_BUDGET, *users),
    )


def _ratio(bad: Recorded, events: Recorded) -> Expr:
    # No events: no ratio. A division by zero would be NaN, which every sum over it becomes.
    return promql.select(bad) / (promql.select(events) > 0)


def _periods(specs: tuple[ObjectiveSpec, ...], scale: TimeScale) -> Iterator[Rule]:
    periods = sorted({spec.window_ns for spec in specs})
    for series, tile in (
        (recorded_slos.SLO_EVENTS_PERIOD, recorded_slos.SLO_EVENTS_TILE),
        (recorded_slos.SLO_BAD_PERIOD, recorded_slos.SLO_BAD_TILE),
    ):
        sums = (
            promql.sum_over_time(
                promql.select(tile, promql.one_of(OBJECTIVE, _kept_over(specs, period_ns))),
                durations.render(scale.window(period_ns)),
            )
            for period_ns in periods
        )
        yield Rule(series=series, expr=reduce(promql.either, sums))
    used = _ratio(recorded_slos.SLO_BAD_PERIOD, recorded_slos.SLO_EVENTS_PERIOD) / promql.select(
        recorded_slos.SLO_BUDGET
    )
    yield Rule(series=recorded_slos.SLO_BUDGET_LEFT, expr=1 - used)


def _kept_over(specs: tuple[ObjectiveSpec, ...], period_ns: int) -> list[str]:
    return [spec.name for spec in specs if spec.window_ns == period_ns]
