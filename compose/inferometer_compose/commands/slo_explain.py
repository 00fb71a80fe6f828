"""``inferometer slo explain``: the windows of an objective, and what each outage would do."""

import json as json_module
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from inferometer.errors import InferometerError
from inferometer.fleet import durations, loader
from inferometer.fleet.model import Fleet
from inferometer.fleet.slos import ObjectiveSpec, Slo, slos
from inferometer_alerts import detection, wording
from inferometer_alerts.detection import Found
from inferometer_alerts.policy import budget, legs
from inferometer_compose.commands.console import screen
from inferometer_compose.screens.slo import explained


def run(name: str, config: Path, requests_per_hour: float, *, json: bool) -> int:
    """Explain the objectives that *name* stands for; the exit status.

    Raises:
        FleetError: the fleet file is wrong.
        InferometerError: it has no such SLO, nor such an objective.
    """
    promised = chosen(loader.load(config), name, config)
    if json:
        sys.stdout.write(json_module.dumps(document(promised, requests_per_hour), indent=2) + "\n")
        return 0
    out = screen()
    for number, (spec, names) in enumerate(promised):
        out.print(("\n" if number else "") + explained(spec, names, requests_per_hour), markup=False)
    return 0


def chosen(fleet: Fleet, name: str, config: Path) -> Sequence[tuple[ObjectiveSpec, tuple[str, ...]]]:
    """Objectives with the SLOs that *name* stands for: the name of one, of an objective, or empty for all.

    Raises:
        InferometerError: there is none of that name.
    """
    every = tuple(slos(fleet))
    found = [slo for slo in every if name in {"", slo.name, slo.objective.name, slo.promise}]
    if not found:
        known = sorted({slo.objective.name for slo in every} | {slo.name for slo in every})
        raise InferometerError(f"{config} has no SLO {name!r}; there are {', '.join(known) or 'none'}")
    return [(spec, _names(found, spec)) for spec in dict.fromkeys(slo.objective for slo in found)]


def _names(found: Iterable[Slo], spec: ObjectiveSpec) -> tuple[str, ...]:
    return tuple(slo.name for slo in found if slo.objective == spec)


def document(promised: Iterable[tuple[ObjectiveSpec, tuple[str, ...]]], requests_per_hour: float) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "requests_per_hour": requests_per_hour,
        "objectives": [_objective(spec, names, requests_per_hour) for spec, names in promised],
    }


def _objective(spec: ObjectiveSpec, names: tuple[str, ...], requests_per_hour: float) -> dict[str, Any]:
    return {
        "objective": spec.name,
        "sli": spec.sli.value,
        "promise": wording.promise(spec),
        "threshold_seconds": None if spec.threshold_ns is None else spec.threshold_ns / 1e9,
        "stage": None if spec.stage is None else spec.stage.label,
        "within_seconds": {sli.value: ns / 1e9 for sli, ns in spec.within},
        "usd_per_1k": None if spec.usd_per_1k is None else float(spec.usd_per_1k),
        "events_per_hour": detection.events_per_hour(spec, requests_per_hour),
        "target_ratio": float(spec.target / 100),
        "window": durations.render(spec.window_ns),
        "budget_ratio": float(budget(spec)),
        "slos": list(names),
        "legs": [
            {
                "slo_tier": leg.tier,
                "severity": leg.severity.value,
                "long": leg.long,
                "short": leg.short,
                "factor": float(leg.factor),
                "bad_ratio": float(leg.ratio(budget(spec))),
                "min_bad_events": leg.min_bad_events,
            }
            for leg in legs(spec)
        ],
        "outages": [
            {
                "bad_ratio": float(outage.bad_ratio),
                "budget_gone_seconds": outage.exhausted_seconds,
                "page": _found(outage.page),
                "page_ends_seconds": outage.page_ends_seconds,
                "ticket": _found(outage.ticket),
            }
            for outage in detection.table(spec, requests_per_hour)
        ],
    }


def _found(found: Found | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "slo_tier": found.leg.tier,
        "seconds": found.seconds,
        "delay_seconds": found.delay_seconds,
        "budget_used_ratio": found.budget_used,
        "reset_seconds": found.reset_seconds,
    }
