"""A run as one JSON object: seconds, US dollars, ratios 0-1; unknown is null."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from inferometer_compose.load.counts import CountsJson
from inferometer_compose.screens.figures import Device, Figures, ModelTimes
from inferometer_compose.stack.programs import Program


def as_json(
    figures: Figures, *, sent: CountsJson, urls: Mapping[str, str], peers: Iterable[Program], recorder: str | None
) -> dict[str, Any]:
    """What ``inferometer demo --json`` prints.

    Args:
        figures: What was recorded.
        sent: The load generator's own count.
        urls: What was up, by name.
        peers: The programs that were found, or why not.
        recorder: The file that ``inferometer trace`` reads afterwards.
    """
    names = Counter(times.model for times in figures.times)
    costs = {(cost.service, cost.model): cost.total.per_thousand_usd for cost in figures.costs}
    return {
        "requests": figures.requests,
        "load": sent,
        "models": {
            _name(times, names): {**_times(times), "cost_usd_per_1k": costs.get((times.service, times.model))}
            for times in figures.times
        },
        "tenants": _tenants(figures),
        "objectives": [
            {**asdict(objective), "now_ratio": objective.now_ratio, "spent_ratio": objective.spent_ratio}
            for objective in figures.objectives
        ],
        "devices": {device.device: _device(device) for device in figures.devices},
        "alerts": [asdict(alert) for alert in figures.alerts],
        "held_back": [asdict(alert) for alert in figures.held_back],
        "alerts_missing": figures.alerts_missing or None,
        "trace_example": None if figures.slowest is None else figures.slowest.trace_id,
        "recorder": recorder,
        "urls": dict(urls),
        "peers": {
            program.title.lower(): None if program.version is None else ".".join(map(str, program.version))
            for program in peers
        },
    }


def _name(times: ModelTimes, names: Mapping[str, int]) -> str:
    return times.model if names[times.model] == 1 else f"{times.model}@{times.version}"


def _times(times: ModelTimes) -> dict[str, Any]:
    return {
        "service": times.service,
        "version": times.version,
        "requests": times.requests,
        "first_chunk": times.first_chunk,
        "by_buckets": times.by_buckets,
        "p50_seconds": times.p50_seconds,
        "p95_seconds": times.p95_seconds,
        "p99_seconds": times.p99_seconds,
        "p999_seconds": times.p999_seconds,
        "stages": dict(times.stages),
    }


def _tenants(figures: Figures) -> dict[str, Any]:
    usd: dict[str, float] = {}
    for cost in figures.costs:
        for tenant, one in cost.tenants.items():
            usd[tenant] = usd.get(tenant, 0.0) + one.usd
    return {tenant: {"cost_usd": total} for tenant, total in usd.items()}


def _device(device: Device) -> dict[str, Any]:
    return {
        "usd_per_hour": device.usd_per_hour,
        "bill_usd": device.bill_usd,
        "idle_usd": device.idle_usd,
        "ledger": dict(device.ledger_seconds),
        "residual_ratio": device.residual_ratio,
    }
