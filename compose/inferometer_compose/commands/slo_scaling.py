"""``inferometer slo scaling``: what sets the replicas of each model, and what sleep saves and costs."""

import json as json_module
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, Final

from inferometer import promql
from inferometer.catalog.labels import SERVICE
from inferometer.catalog.requests import COLD_START
from inferometer.errors import InferometerError
from inferometer.fleet import loader
from inferometer.fleet.autoscaling_checks import Scaled, deployment, scaled
from inferometer.fleet.model import Fleet
from inferometer.promql import Expr
from inferometer_alerts.autoscaling import Signal, signals
from inferometer_alerts.scale_to_zero import Sleep, sentences, sleep
from inferometer_compose.commands.console import screen
from inferometer_compose.prometheus_query import instant

MEASURED_OVER: Final = "30d"
MEASURED_Q: Final = 0.99
"""A slow cold start is the one that a request waits for."""
_SECOND_NS: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """A model, its signals with their values, and what sleep means for it."""

    model: Scaled
    signals: tuple[tuple[Signal, float | None], ...]
    cold_start_measured: bool
    sleep: Sleep | None


def run(name: str, config: Path, prometheus: str, *, json: bool) -> int:
    """Print the autoscalers that *name* stands for; the exit status.

    Args:
        name: a service or a model; empty for all.
        config: the fleet file.
        prometheus: the server that is asked for values and cold starts; empty: nobody is.
        json: print JSON.

    Raises:
        FleetError: the fleet file is wrong.
        InferometerError: there is no such autoscaler, or Prometheus does not answer.
    """
    fleet = loader.load(config)
    found = [_scaling(fleet, model, prometheus) for model in chosen(fleet, name, config)]
    if json:
        sys.stdout.write(json_module.dumps({"models": [_document(one) for one in found]}, indent=2) + "\n")
        return 0
    out = screen()
    for number, one in enumerate(found):
        out.print(("\n" if number else "") + "\n".join(_lines(one)), markup=False, soft_wrap=True)
    return 0


def chosen(fleet: Fleet, name: str, config: Path) -> list[Scaled]:
    """Models with an autoscaler that *name* stands for.

    Raises:
        InferometerError: there is none.
    """
    every = list(scaled(fleet))
    found = [model for model in every if name in {"", model.service.name, model.model.name}]
    if not every:
        raise InferometerError(f"{config} declares no autoscaling; docs/autoscaling.md says how")
    if not found:
        known = ", ".join(model.service.name for model in every)
        raise InferometerError(f"{config} scales no service or model {name!r}; it scales {known}")
    return found


def _scaling(fleet: Fleet, model: Scaled, prometheus: str) -> Scaling:
    measured = _value(prometheus, cold_start(model.service.name)) if prometheus else None
    return Scaling(
        model=model,
        signals=tuple(
            (signal, _value(prometheus, signal.query) if prometheus else None) for signal in signals(fleet, model)
        ),
        cold_start_measured=measured is not None,
        sleep=sleep(fleet, model, cold_start_ns=None if measured is None else round(measured * _SECOND_NS)),
    )


def cold_start(service: str) -> Expr:
    """The slowest of a hundred cold starts of a service, seconds."""
    starts = promql.rate(promql.select(COLD_START, promql.equal(SERVICE, service)), MEASURED_OVER)
    return promql.quantile(MEASURED_Q, promql.sum_by(starts))


def _value(prometheus: str, query: Expr) -> float | None:
    found = instant(prometheus, query)
    return found[0].value if found else None


def _lines(one: Scaling) -> Iterator[str]:
    said, service = one.model.autoscaling, one.model.service
    yield (
        f"{service.name} {one.model.model.name}: {said.min} to {said.max} replicas of the Deployment "
        f"{deployment(service)}, by {said.kind.value.upper()}"
    )
    width = max(len(signal.name) for signal, _ in one.signals)
    for signal, value in one.signals:
        yield f"  {signal.name:<{width}}  {signal.means}{_now(signal, value)}"
    if one.sleep is not None:
        source = "measured" if one.cold_start_measured else "declared"
        yield f"  cold start {source}"
        yield from (f"    {sentence}" for sentence in sentences(one.sleep, sleeps=not said.min))


def _now(signal: Signal, value: float | None) -> str:
    if value is None:
        return ""
    if not signal.per_replica:
        return f"; now {value:.2f} times that"
    replicas = ceil(value / float(signal.target))
    return f"; now {value:g} of all, for {replicas} replica{'' if replicas == 1 else 's'}"


def _document(one: Scaling) -> dict[str, Any]:
    said = one.model.autoscaling
    return {
        "service": one.model.service.name,
        "model": one.model.model.name,
        "deployment": deployment(one.model.service),
        "kind": said.kind.value,
        "min": said.min,
        "max": said.max,
        "signals": [
            {
                "name": signal.name,
                "means": signal.means,
                "query": signal.query.text,
                "metric_type": signal.metric_type,
                "target": float(signal.target),
                "now": value,
            }
            for signal, value in one.signals
        ],
        "cold_start": _cold_start(one),
    }


def _cold_start(one: Scaling) -> dict[str, Any] | None:
    found = one.sleep
    if found is None:
        return None
    return {
        "measured": one.cold_start_measured,
        "seconds": found.cold_start_ns / _SECOND_NS,
        "longest_wait_seconds": found.waits_ns / _SECOND_NS,
        "usd_per_replica_hour": None if found.usd_per_hour is None else float(found.usd_per_hour),
        "objectives": _tolls(found),
    }


def _tolls(found: Sleep) -> Iterable[dict[str, Any]]:
    return [
        {
            "slo": toll.slo,
            "requests_per_cold_start": toll.per_requests,
            "most_cold_starts": toll.most,
            "period_seconds": toll.window_ns / _SECOND_NS,
        }
        for toll in found.tolls
    ]
