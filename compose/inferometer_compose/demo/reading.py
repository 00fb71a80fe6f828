"""From the sidecar's answers to the figures of a report."""

from collections.abc import Iterable

from inferometer.fleet.thresholds import Thresholds
from inferometer_compose.screens.figures import (
    AlertStory,
    Device,
    Figures,
    ModelCost,
    ModelTimes,
    Objective,
    TailShare,
    TenantCost,
)
from inferometer_compose.screens.hops import trace_of
from inferometer_exporters.recorder.answers import CostAnswer, DeviceAnswer, ModelAnswer, ObjectiveAnswer, SummaryAnswer
from inferometer_exporters.recorder.trace_answers import TraceAnswer


def figures_of(
    summary: SummaryAnswer,
    slowest: TraceAnswer | None,
    thresholds: Thresholds,
    *,
    alerts: tuple[AlertStory, ...],
    alerts_missing: str,
    exported_to: str,
) -> Figures:
    """The figures of a run.

    Args:
        summary: The sidecar's summary.
        slowest: The trace of the slowest request, where there is one.
        thresholds: Say which tenants are known.
        alerts: As the inbox got them.
        alerts_missing: Why there can be none, where something is not there.
        exported_to: Who has the kept traces.
    """
    return Figures(
        requests=summary["requests"],
        times=tuple(sorted(map(_times, summary["models"]), key=_place)),
        objectives=tuple(map(objective_of, summary["objectives"])),
        costs=_costs(summary["costs"], thresholds),
        devices=tuple(map(_device, summary["devices"])),
        alerts=alerts,
        alerts_missing=alerts_missing,
        slowest=None if slowest is None else trace_of(slowest),
        recorded_requests=summary["recorded_requests"],
        kept_traces=summary["kept_traces"],
        exported_to=exported_to,
    )


def objective_of(answer: ObjectiveAnswer) -> Objective:
    """One objective."""
    return Objective(
        slo=answer["slo"],
        service=answer["service"],
        model=answer["model"],
        name=answer["objective"],
        threshold_seconds=answer["threshold_seconds"],
        target_ratio=answer["target_ratio"],
        good=answer["good"],
        bad=answer["bad"],
    )


def _times(answer: ModelAnswer) -> ModelTimes:
    first = answer["first_chunk"]
    shown = answer if first is None else first
    return ModelTimes(
        service=answer["service"],
        model=answer["model"],
        version=answer["version"],
        requests=answer["requests"],
        first_chunk=first is not None,
        p50_seconds=shown["p50_seconds"],
        p95_seconds=shown["p95_seconds"],
        p99_seconds=shown["p99_seconds"],
        p999_seconds=shown["p999_seconds"],
        stages=answer["stages"],
        tail=tuple(TailShare(**share) for share in answer["tail"]),
        callee=answer["callee"],
    )


def _place(times: ModelTimes) -> tuple[bool, float, str]:
    # What users call first, then the slowest tail.
    return not times.model.startswith("/"), -(times.p99_seconds or 0.0), times.version


def _costs(answers: Iterable[CostAnswer], thresholds: Thresholds) -> tuple[ModelCost, ...]:
    models: dict[tuple[str, str], dict[str, TenantCost]] = {}
    for answer in answers:
        if not answer["device_seconds"] or answer["cost_usd"] is None:
            continue
        tenants = models.setdefault((answer["service"], answer["model"]), {})
        tenant = thresholds.tenant(answer["tenant"])
        before = tenants.get(tenant, TenantCost(requests=0, usd=0.0))
        tenants[tenant] = TenantCost(requests=before.requests + answer["requests"], usd=before.usd + answer["cost_usd"])
    return tuple(ModelCost(service=service, model=model, tenants=t) for (service, model), t in models.items())


def _device(answer: DeviceAnswer) -> Device:
    return Device(
        device=answer["device"],
        usd_per_hour=answer["usd_per_hour"],
        price_kind=answer["price_kind"],
        price_source=answer["price_source"],
        price_as_of=answer["price_as_of"],
        bill_usd=answer["bill_usd"],
        idle_usd=answer["idle_usd"],
        ledger_seconds=answer["ledger_seconds"],
        residual_ratio=answer["residual_ratio"],
    )
