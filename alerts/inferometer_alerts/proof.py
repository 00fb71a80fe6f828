"""Tests for promtool: every alert fires when it must and stays quiet when it must, in Prometheus's own engine.

Per leg of an objective three incidents. The first is twice as bad as the leg allows: it must fire when half of the
long window is bad, not before, and must end when half of the short window is good again; a wrong window shows. The
next two are bad from the start, a little above and a little below the limit; a wrong factor shows. A fourth has
one bad event too few for a trend, and then one more.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, RESULT, SERVICE, SLO, VERSION
from inferometer.catalog.requests import SLO_EVENTS
from inferometer.fleet import durations
from inferometer.fleet.model import Fleet
from inferometer.fleet.slos import Slo, slos
from inferometer_alerts import recorded
from inferometer_alerts.policy import DIRECT_NS, Leg, budget, legs
from inferometer_alerts.rule import Alert, Case, Group
from inferometer_alerts.slo_alerts import NAMES
from inferometer_alerts.slo_rules import TILE
from inferometer_alerts.yaml_text import Yaml

SLO_FILE: Final = "slo"
_EVENTS_PER_STEP: Final = Decimal(1000)
_MINUTE_NS: Final = durations.parse("1m")
_SCRAPE_NS: Final = durations.parse("15s")
_TILE_NS: Final = durations.parse(TILE)
_VERSIONS: Final = {"v1": Decimal("0.4"), "v2": Decimal("0.6")}
_CLOSE: Final = Decimal("0.05")


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One test of promtool: samples, and which alert fires at which time (nanoseconds from the start)."""

    name: str
    evaluation_ns: int
    step_ns: int
    series: Mapping[str, str]
    selector: promql.Selector
    checks: tuple[tuple[int, bool], ...]


@dataclass(frozen=True, slots=True)
class Phase:
    """Some samples in a row, and by how much the counter rises from one to the next."""

    samples: int
    rise: Decimal


def documents(fleet: Fleet, files: Mapping[str, tuple[Group, ...]]) -> dict[str, Yaml]:
    """Test files of promtool by name; each tests one rule file, at one evaluation interval."""
    tests = {
        SLO_FILE: [t for slo in _one_per_objective(fleet) for leg in legs(slo.objective) for t in _of_leg(slo, leg)]
    }
    for name, groups in files.items():
        alerts = [rule for group in groups for rule in group.rules if isinstance(rule, Alert)]
        tests.setdefault(name, []).extend(
            _of_case(alert, number, case) for alert in alerts for number, case in enumerate(alert.cases, start=1)
        )
    return {
        f"{name}_{durations.render(interval)}_test.yml": _file(
            [test for test in of_file if test.evaluation_ns == interval],
            interval,
            # Alerts on causes read what the rules of SLOs record.
            {file: files[file] for file in dict.fromkeys((SLO_FILE, name))},
        )
        for name, of_file in tests.items()
        for interval in sorted({test.evaluation_ns for test in of_file})
    }


def _one_per_objective(fleet: Fleet) -> Iterable[Slo]:
    first: dict[str, Slo] = {}
    for slo in slos(fleet):
        first.setdefault(slo.objective.name, slo)
    return first.values()


def counter(phases: Iterable[Phase]) -> str:
    """Samples of a counter in promtool's notation; the first sample is 0, nothing falls between two phases."""
    written, value = [], Decimal(0)
    for phase in phases:
        if phase.samples > 0:
            written.append(f"{_plain(value)}+{_plain(phase.rise)}x{phase.samples - 1}")
            value += phase.rise * phase.samples
    return " ".join(written)


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _of_leg(slo: Slo, leg: Leg) -> Iterator[Test]:
    limit = leg.ratio(budget(slo.objective))
    yield _windows(slo, leg, 2 * limit)
    yield _whole(slo, leg, limit * (1 + _CLOSE), fires=True)
    yield _whole(slo, leg, limit * (1 - _CLOSE), fires=False)
    yield from _few(slo, leg)


def _step_ns(leg: Leg) -> int:
    """Between two samples: as in production where a window is short, a minute where that makes no difference."""
    return _MINUTE_NS if leg.short_ns >= 5 * _MINUTE_NS else _SCRAPE_NS


def _evaluation_ns(leg: Leg) -> int:
    # promtool evaluates every group at every step of a test, also those that Prometheus evaluates every five minutes.
    return _TILE_NS if leg.long_ns > DIRECT_NS else _step_ns(leg)


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


def _few(slo: Slo, leg: Leg) -> Iterator[Test]:
    """Nothing but failures, too few of them, and one more."""
    step, evaluation = _step_ns(leg), _evaluation_ns(leg)
    # Not on the edge of a tile: what rises between two tiles is in neither, which is why rates extrapolate.
    quiet = 2 * evaluation // step + 1
    at = 4 * evaluation + leg.min_bad_events * step
    for failures, fires in ((leg.min_bad_events - 1, False), (leg.min_bad_events, True)):
        yield Test(
            name=f"{slo.name} {leg.tier}: {failures} requests, all bad",
            evaluation_ns=evaluation,
            step_ns=step,
            series={
                _events(slo, "bad"): counter(
                    [Phase(quiet, Decimal(0)), Phase(failures, Decimal(1)), Phase(at // step, Decimal(0))]
                )
            },
            selector=_firing(slo, leg),
            checks=((at // evaluation * evaluation, fires),),
        )


def _test(slo: Slo, leg: Leg, what: str, bad: list[Phase], checks: tuple[tuple[int, bool], ...]) -> Test:
    """A test with 1,000 events per step, of which each phase has its share of bad ones."""
    step, evaluation = _step_ns(leg), _evaluation_ns(leg)
    return Test(
        name=f"{slo.name} {leg.tier}: {what}",
        evaluation_ns=evaluation,
        step_ns=step,
        series={
            _events(slo, "bad"): counter(Phase(p.samples, p.rise * _EVENTS_PER_STEP) for p in bad),
            # Two versions answer, not equally often: what is not added up over them shows.
            **{
                _events(slo, "good", version): counter(
                    Phase(p.samples, (1 - p.rise) * _EVENTS_PER_STEP * share) for p in bad
                )
                for version, share in _VERSIONS.items()
            },
        },
        selector=_firing(slo, leg),
        checks=tuple((at // evaluation * evaluation, fires) for at, fires in checks),
    )


def _events(slo: Slo, result: str, version: str = "v1") -> str:
    return promql.select(
        SLO_EVENTS,
        promql.equal(SERVICE, slo.service),
        promql.equal(MODEL, slo.model),
        promql.equal(SLO, slo.name),
        promql.equal(VERSION, version),
        promql.equal(RESULT, result),
    ).text


def _firing(slo: Slo, leg: Leg) -> promql.Selector:
    return promql.select(
        recorded.ALERTS,
        promql.equal(recorded.ALERT_NAME, NAMES[leg.severity]),
        promql.equal(recorded.ALERT_STATE, "firing"),
        promql.equal(SLO, slo.name),
        promql.equal(recorded.SLO_TIER, leg.tier),
    )


def _of_case(alert: Alert, number: int, case: Case) -> Test:
    checks = [(durations.parse(at), True) for at in case.fires] + [(durations.parse(at), False) for at in case.quiet]
    return Test(
        name=f"{alert.name} {number}",
        evaluation_ns=durations.parse(case.evaluation),
        step_ns=durations.parse(case.step),
        series=case.series,
        selector=promql.select(
            recorded.ALERTS,
            promql.equal(recorded.ALERT_NAME, alert.name),
            promql.equal(recorded.ALERT_STATE, "firing"),
            *case.only,
        ),
        checks=tuple(sorted(checks)),
    )


def _file(tests: list[Test], evaluation_ns: int, files: Mapping[str, tuple[Group, ...]]) -> Yaml:
    return {
        "rule_files": [f"../rules/{name}.yml" for name in files],
        "evaluation_interval": durations.render(evaluation_ns),
        "group_eval_order": [group.name for groups in files.values() for group in groups],
        "tests": [_written(test) for test in tests],
    }


def _written(test: Test) -> Yaml:
    return {
        "name": test.name,
        "interval": durations.render(test.step_ns),
        "input_series": [{"series": series, "values": values} for series, values in test.series.items()],
        "promql_expr_test": [
            {
                "expr": promql.group_by(test.selector).text,
                "eval_time": durations.render(at),
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
            }
            for at, fires in test.checks
        ],
    }
