"""Tests for promtool, of every rule file: what is recorded has the right values, and every alert fires when it must.

Alerts of legs are proved by :mod:`leg_proofs`, what else is recorded of an objective by :mod:`slo_proofs`; all other
alerts have their cases, all other recorded series their readings, beside them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Final

from inferometer.fleet import durations
from inferometer.fleet.model import Fleet
from inferometer.fleet.slos import Slo, Source, slos
from inferometer_alerts import leg_proofs, promtool, slo_proofs, slo_series
from inferometer_alerts.policy import legs
from inferometer_alerts.promtool import Test
from inferometer_alerts.rule import Alert, Case, Group, Reading, Rule
from inferometer_alerts.yaml_text import Yaml

SLO_FILE: Final = "slo"


def documents(fleet: Fleet, files: Mapping[str, tuple[Group, ...]]) -> dict[str, Yaml]:
    """Test files of promtool by name; each is about one rule file, at one evaluation interval.

    promtool evaluates every rule of the files that a test file names, so what reads nothing of another file stands in a
    test file without it.
    """
    made: dict[str, Yaml] = {}
    for name, groups in files.items():
        for others, tests in _by_needs(
            name, [*(_of_slos(fleet) if name == SLO_FILE else ()), *_of_groups(groups)], files
        ):
            needed = {file: files[file] for file in (*others, name)}
            for interval in sorted({test.evaluation_ns for test in tests}):
                of_interval = promtool.side_by_side(test for test in tests if test.evaluation_ns == interval)
                title = "_".join((name, *(f"with_{other}" for other in others), durations.render(interval), "test.yml"))
                made[title] = promtool.document(of_interval, interval, needed)
    return made


def _by_needs(
    name: str, tests: Iterable[Test], files: Mapping[str, tuple[Group, ...]]
) -> Iterator[tuple[tuple[str, ...], list[Test]]]:
    """Tests by the other files whose series they read: the alert that they are about, or what its file records."""
    records = "\n".join(rule.expr.text for group in files[name] for rule in group.rules if isinstance(rule, Rule))
    by_needs: dict[tuple[str, ...], list[Test]] = {}
    for test in tests:
        by_needs.setdefault(_others(name, f"{records}\n{test.reads}", files), []).append(test)
    yield from by_needs.items()


def _others(name: str, read: str, files: Mapping[str, tuple[Group, ...]]) -> tuple[str, ...]:
    return tuple(
        other
        for other, groups in files.items()
        if other != name
        and any(rule.series.name in read for group in groups for rule in group.rules if isinstance(rule, Rule))
    )


def _of_slos(fleet: Fleet) -> Iterator[Test]:
    yield _of_reading(slo_proofs.promises(slos(fleet)))
    for slo in _one_per_objective(fleet):
        for leg in legs(slo.objective):
            yield from leg_proofs.of_leg(slo, leg)
        for reading in slo_proofs.readings(slo):
            yield replace(_of_reading(reading), about=slo_series.about(slo))


def _one_per_objective(fleet: Fleet) -> Iterable[Slo]:
    first: dict[tuple[str, Source], Slo] = {}
    for slo in slos(fleet):
        first.setdefault((slo.objective.name, slo.source), slo)
    return first.values()


def _of_groups(groups: tuple[Group, ...]) -> Iterator[Test]:
    for group in groups:
        for reading in group.readings:
            yield _of_reading(reading)
        for alert in (rule for rule in group.rules if isinstance(rule, Alert)):
            for number, case in enumerate(alert.cases, start=1):
                yield _of_case(alert, number, case)


def _of_case(alert: Alert, number: int, case: Case) -> Test:
    # Of the labels that the alert's expression carries, those that the case's samples have.
    dropped = {label.name for label in case.without}
    carries = [
        label
        for label in alert.expr.labels
        if label not in dropped and any(f'{label}="' in series for series in case.series)
    ]
    checks = chain(
        (promtool.fires(alert, durations.parse(at), carries=carries, only=case.only) for at in case.fires),
        (promtool.quiet(alert, durations.parse(at), only=case.only) for at in case.quiet),
    )
    return Test(
        name=f"{alert.name} {number}",
        evaluation_ns=durations.parse(case.evaluation),
        step_ns=durations.parse(case.step),
        series=case.series,
        checks=tuple(sorted(checks, key=lambda check: check.at_ns)),
        about=case.about,
        reads="" if case.given else alert.expr.text,
    )


def _of_reading(reading: Reading) -> Test:
    return Test(
        name=reading.name,
        evaluation_ns=durations.parse(reading.evaluation),
        step_ns=durations.parse(reading.step),
        series=reading.series,
        checks=tuple(promtool.recorded_as(expect) for expect in reading.expect),
    )
