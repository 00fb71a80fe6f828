"""Proofs of half minutes: when a look at an objective finds it bad, and when it finds nothing."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog.gpus import GPU_INFO
from inferometer.catalog.labels import CLASS, DEVICE, GPU_NAME, MODEL, OUTCOME, SERVICE, SLO, TENANT, VERSION
from inferometer.catalog.model import Label
from inferometer.catalog.requests import REQUESTS
from inferometer.catalog.stages import Outcome
from inferometer.fleet import durations
from inferometer.fleet.objective import Sli
from inferometer.fleet.slos import Slo
from inferometer.promql import Matcher, equal
from inferometer_alerts import recorded_costs, recorded_slos, slo_labels
from inferometer_alerts.rule import Expect, Reading
from inferometer_alerts.rule_series import Recorded

_STEPS: Final = 12
"""Samples in the time that a model may be without an answer."""
_SHORTEST_NS: Final = durations.parse("5s")
_LONGEST_NS: Final = durations.parse("5m")


def readings(slo: Slo) -> Iterator[Reading]:
    """What a look at one SLO must find."""
    match slo.objective.sli:
        case Sli.FRESHNESS:
            yield _fresh(slo)
        case Sli.COST_PER_1K:
            yield _dear(slo)
        case Sli.GPU_AVAILABILITY:
            yield _gpus(slo)


def _looks(slo: Slo, at: str, slots: int | None, bad: int | None) -> tuple[Expect, ...]:
    return _look(slo, recorded_slos.SLO_SLOTS, at, slots), _look(slo, recorded_slos.SLO_BAD_SLOTS, at, bad)


def _look(slo: Slo, series: Recorded, at: str, value: int | None) -> Expect:
    elements = () if value is None else ((slo_labels.labels(slo), Decimal(value)),)
    return Expect(series=series, at=at, elements=elements, only=(equal(SLO, slo.name),))


def _of(slo: Slo, others: Mapping[Label, str]) -> list[Matcher]:
    """Matchers of an SLO's requests, of some labels other values."""
    scope = {
        SERVICE: slo.service,
        MODEL: slo.model,
        TENANT: slo.tenant,
        VERSION: slo.version,
        CLASS: slo.request_class,
        **others,
    }
    return [equal(label, value) for label, value in scope.items() if value]


def _fresh(slo: Slo) -> Reading:
    """Answers come, and then come no more; failures do, and so do answers to others."""
    within = slo.objective.threshold_ns or 0
    step_ns = min(max(within // _STEPS, _SHORTEST_NS), _LONGEST_NS)
    steps = -(-within // step_ns)

    def requests(outcome: Outcome, **others: str) -> str:
        labels = {TENANT: others.get("tenant", ""), VERSION: others.get("version", ""), CLASS: others.get("class_", "")}
        other = {label: value for label, value in labels.items() if value}
        return promql.select(REQUESTS, *_of(slo, other), equal(OUTCOME, outcome.label)).text

    goes_on = f"0+3x{4 * steps}"
    series = {
        requests(Outcome.OK): f"0+2x{steps} {2 * steps}x{3 * steps}",
        requests(Outcome.DEGRADED): f"0x{4 * steps}",
        requests(Outcome.SERVER_ERROR): goes_on,
        requests(Outcome.CANCELLED): goes_on,
    }
    for name, value in (("tenant", slo.tenant), ("version", slo.version), ("class_", slo.request_class)):
        if value:
            series[requests(Outcome.OK, **{name: "another"})] = goes_on
    at = [durations.render(step_ns * number) for number in (0, steps + steps // 2, 2 * steps + 2)]
    return Reading(
        name=f"{slo.name}: answers stop",
        series=series,
        expect=(*_looks(slo, at[0], None, None), *_looks(slo, at[1], 1, 0), *_looks(slo, at[2], 1, 1)),
        step=durations.render(step_ns),
        evaluation=durations.render(step_ns),
    )


def _dear(slo: Slo) -> Reading:
    """A little above the limit, a little below it, and unknown."""
    series = recorded_costs.MODEL_TENANT_PER_1K_LOADED if slo.tenant else recorded_costs.MODEL_PER_1K_LOADED
    limit = slo.objective.usd_per_1k or Decimal(0)
    dear, cheap = limit * Decimal("1.02"), limit * Decimal("0.98")
    costs = promql.select(series, *_of(slo, {})).text
    return Reading(
        name=f"{slo.name}: it gets cheaper",
        series={costs: f"{dear:f}x10 {cheap:f}x10 stale"},
        expect=(*_looks(slo, "5m", 1, 1), *_looks(slo, "15m", 1, 0), *_looks(slo, "24m", None, None)),
        step="1m",
        evaluation="1m",
    )


def _gpus(slo: Slo) -> Reading:
    """Two GPUs, one of which is lost, and one of another kind; after a day it is no longer missed."""

    def gpu(uuid: str, name: str) -> str:
        return promql.select(GPU_INFO, equal(DEVICE, uuid), equal(GPU_NAME, name)).text

    match = slo.device.match if slo.device is not None else None
    model, uuid = (match.model, match.name) if match is not None else ("*", "*")
    name = _example(model)
    lost = _example(uuid)
    others = {gpu("another", "another"): "1x60 stale"} if (model, uuid) != ("*", "*") else {}
    # A pattern of one device's name matches that one alone.
    many = 2 if _example(uuid, "Z") != lost else 1
    stays = {gpu(_example(uuid, "Z"), name): "1x400"} if many > 1 else {}
    return Reading(
        name=f"{slo.name}: a GPU is lost",
        series={**stays, gpu(lost, name): "1x60 stale", **others},
        expect=(
            *_looks(slo, "4h", many, 0),
            *_looks(slo, "6h", many, 1),
            *_looks(slo, "28h", many, 1),
            *_looks(slo, "31h", many - 1 or None, 0 if many > 1 else None),
        ),
        step="5m",
        evaluation="5m",
    )


def _example(pattern: str, letter: str = "A") -> str:
    """A name that a pattern matches."""
    return pattern.replace("*", letter).replace("?", letter)
