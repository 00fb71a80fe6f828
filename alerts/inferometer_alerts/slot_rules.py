"""Half minutes: objectives that no request can be judged by are looked at again and again, each look is an event.

A look is good or bad: whether a model answered well lately, whether 1,000 of its requests cost too much, how many of
the GPUs are there. Where nothing is known of it there is no look.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from inferometer import promql
from inferometer.catalog.gpus import GPU_INFO
from inferometer.catalog.labels import CLASS, DEVICE, GPU_NAME, OUTCOME, TENANT, VERSION
from inferometer.catalog.model import Label
from inferometer.catalog.requests import REQUESTS
from inferometer.catalog.stages import ANSWERED
from inferometer.fleet import durations
from inferometer.fleet.devices import Device
from inferometer.fleet.objective import Sli
from inferometer.fleet.slos import ObjectiveSpec, Slo, Source
from inferometer.promql import Expr, Matcher
from inferometer_alerts import recorded_costs, recorded_slos, slo_labels
from inferometer_alerts.rule import Rule
from inferometer_alerts.rule_labels import OBJECTIVE, OF_MODEL, OF_SLO
from inferometer_alerts.time_scale import TimeScale

REMEMBERED: Final = "1d"
"""A GPU that was there within this time is missed: it is lost, unless somebody took it away, and then no longer."""
_ANSWERED: Final = promql.one_of(OUTCOME, [outcome.label for outcome in ANSWERED])


def rules(slos: Iterable[Slo], scale: TimeScale) -> Iterator[Rule]:
    """A look at each objective, every half minute."""
    for spec, mine in _by_objective(slo for slo in slos if slo.source is Source.SLOTS):
        if spec.sli is Sli.GPU_AVAILABILITY:
            for slo in mine:
                yield from _gpus(slo, scale)
        else:
            yield from _models(spec, mine, scale)


def tiles(slos: Iterable[Slo]) -> Iterator[Rule]:
    """Which GPUs are there, every five minutes: what is remembered of them."""
    if any(slo.objective.sli is Sli.GPU_AVAILABILITY for slo in slos):
        present = promql.group_by(promql.select(GPU_INFO), DEVICE, GPU_NAME)
        yield Rule(series=recorded_slos.DEVICE_PRESENT, expr=present)


def _by_objective(slos: Iterable[Slo]) -> Iterable[tuple[ObjectiveSpec, list[Slo]]]:
    made: dict[str, list[Slo]] = {}
    for slo in slos:
        made.setdefault(slo.objective.name, []).append(slo)
    return [(mine[0].objective, mine) for mine in made.values()]


def _models(spec: ObjectiveSpec, slos: list[Slo], scale: TimeScale) -> Iterator[Rule]:
    of = _apart(slos)
    bad = _stale(spec, of, scale) if spec.sli is Sli.FRESHNESS else _dear(spec, of)
    info = promql.select(recorded_slos.SLO_INFO, promql.equal(OBJECTIVE, spec.name))

    def each(of_model: Expr) -> Expr:
        return promql.sum_by(promql.multiply(info, of_model, on=of), *OF_SLO)

    # The label is there already; written out, it tells the rules of two objectives apart.
    named = {OBJECTIVE.name: spec.name}
    yield Rule(series=recorded_slos.SLO_SLOTS, expr=each(0 * bad + 1), labels=named)
    yield Rule(series=recorded_slos.SLO_BAD_SLOTS, expr=each(bad), labels=named)


def _apart(slos: list[Slo]) -> tuple[Label, ...]:
    """By which labels these SLOs are told apart."""
    scoped = ((TENANT, "tenant"), (VERSION, "version"), (CLASS, "request_class"))
    return (*OF_MODEL, *(label for label, name in scoped if any(getattr(slo, name) for slo in slos)))


def _stale(spec: ObjectiveSpec, of: tuple[Label, ...], scale: TimeScale) -> Expr:
    """1 where no answer came in the time that the objective gives, 0 where one did; a first request makes it known."""
    within = scale.over(durations.render(spec.threshold_ns or 0))
    answers = promql.sum_by(promql.increase(promql.select(REQUESTS, _ANSWERED), within), *of)
    return 1 - promql.at_most(answers, 1)


def _dear(spec: ObjectiveSpec, of: tuple[Label, ...]) -> Expr:
    """1 where 1,000 requests of the last hour cost more than they may, with their share of the whole bill."""
    series = recorded_costs.MODEL_TENANT_PER_1K_LOADED if TENANT in of else recorded_costs.MODEL_PER_1K_LOADED
    cost = promql.sum_by(promql.select(series), *of)
    return promql.either(0 * (cost > (spec.usd_per_1k or 0)) + 1, 0 * cost)


def _gpus(slo: Slo, scale: TimeScale) -> Iterator[Rule]:
    matchers = () if slo.device is None else tuple(_which(slo.device))
    before = promql.select(recorded_slos.DEVICE_PRESENT, *matchers)
    expected = promql.group_by(promql.max_over_time(before, scale.over(REMEMBERED)), DEVICE)
    there = promql.group_by(promql.select(GPU_INFO, *matchers), DEVICE)
    known = promql.count_by(promql.either(there, expected))
    missing = promql.count_by(promql.unless(expected, there, on=(DEVICE,)))
    named = {label.name: slo_labels.labels(slo).get(label.name, "") for label in OF_SLO}
    yield Rule(series=recorded_slos.SLO_SLOTS, expr=known, labels=named)
    yield Rule(series=recorded_slos.SLO_BAD_SLOTS, expr=promql.either(missing, 0 * known), labels=named)


def _which(device: Device) -> Iterator[Matcher]:
    for label, pattern in ((GPU_NAME, device.match.model), (DEVICE, device.match.name)):
        if pattern != "*":
            yield promql.matching(label, _regex(pattern))


def _regex(pattern: str) -> str:
    """Wildcards of file names as a regular expression."""
    wild = {"*": ".*", "?": "."}
    return "".join(wild.get(char) or promql.quote_regex(char) for char in pattern)
