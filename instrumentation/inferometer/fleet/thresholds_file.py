"""thresholds.json: how thresholds are written by `inferometer generate` and read by workers. Standard library only."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from inferometer.catalog.stages import Stage
from inferometer.errors import StateError
from inferometer.fleet import budget_policy
from inferometer.fleet.budget_policy import Action, BudgetStep
from inferometer.fleet.objective import Objective, Sli
from inferometer.fleet.thresholds import ENGINES_EVERY_NS, EnginePages, Price, Thresholds

FORMAT: Final = 3
"""2: a price says which devices, hosts and regions it is for. 3: an objective may be of a stage, of several limits, of
some requests only."""
_READABLE: Final = (1, 2, FORMAT)


def dumps(thresholds: Thresholds) -> str:
    """The file's text; the same thresholds give the same bytes."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "fleet": thresholds.fleet,
        "tenants": {"header": thresholds.tenant_header, "known": list(thresholds.known_tenants)},
        "timeouts_ns": dict(thresholds.timeouts_ns),
        "objectives": [_written(objective) for objective in thresholds.objectives],
        "prices": [asdict(price) for price in thresholds.prices],
        "policy": [{"below": f"{step.below:f}", "do": step.do.value} for step in thresholds.policy],
        "engines": [_pages_written(pages) for pages in thresholds.engines],
    }
    if thresholds.engines_every_ns != ENGINES_EVERY_NS:
        document["engines_every_ns"] = thresholds.engines_every_ns
    if thresholds.read_elsewhere:
        document["read_elsewhere"] = list(thresholds.read_elsewhere)
    return json.dumps(document, indent=2) + "\n"


def read(path: Path) -> Thresholds:
    """The thresholds in a file that ``inferometer generate`` wrote.

    Raises:
        StateError: the file cannot be read, or another version of inferometer wrote it.
    """
    try:
        return loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateError(f"{path}: not the thresholds that `inferometer generate` writes: {error}") from error


def loads(text: str) -> Thresholds:
    """The thresholds in a text.

    Raises:
        ValueError: the text is no JSON, or of another format.
        KeyError: something is missing.
        TypeError: something is of another type.
    """
    document: dict[str, Any] = json.loads(text)
    if document["format"] not in _READABLE:
        raise ValueError(f"format {document['format']} instead of {FORMAT}; run `inferometer generate` again")
    tenants = document["tenants"]
    return Thresholds(
        fleet=document["fleet"],
        objectives=tuple(_objective(entry) for entry in document["objectives"]),
        timeouts_ns=dict(document["timeouts_ns"]),
        tenant_header=tenants["header"],
        known_tenants=tuple(tenants["known"]),
        prices=tuple(Price(**entry) for entry in document["prices"]),
        policy=_policy(document.get("policy")),
        # Files of before 2026-11-23 have none.
        engines=tuple(map(_pages, document.get("engines", ()))),
        engines_every_ns=document.get("engines_every_ns", ENGINES_EVERY_NS),
        read_elsewhere=tuple(document.get("read_elsewhere", ())),
    )


def _pages_written(pages: EnginePages) -> dict[str, Any]:
    written = asdict(pages)
    access = {name: said for name, said in (written.pop("access") or {}).items() if said is not None}
    further = {"access": access, "devices": list(written.pop("devices"))}
    return written | {name: said for name, said in further.items() if said}


def _pages(entry: Mapping[str, Any]) -> EnginePages:
    said = entry.get("access")
    lists = {"pages": tuple(entry["pages"]), "devices": tuple(entry.get("devices", ()))}
    if said is None:
        return EnginePages(**{**entry, **lists})
    # Workers read this file, too, and pages are nothing to them: the schema that comes with it is not imported there.
    from inferometer.fleet.page_access import PageAccess  # noqa: PLC0415 - see above

    return EnginePages(**{**entry, **lists, "access": PageAccess(**said)})


def _policy(written: Sequence[Mapping[str, str]] | None) -> tuple[BudgetStep, ...]:
    # Files of before 2026-11-23 have none.
    if written is None:
        return budget_policy.DEFAULT
    return tuple(BudgetStep(below=Decimal(str(float(step["below"]))), do=Action(step["do"])) for step in written)


def _written(objective: Objective) -> dict[str, Any]:
    written: dict[str, Any] = {
        "slo": objective.slo,
        "service": objective.service,
        "model": objective.model,
        "objective": objective.name,
        "sli": objective.sli.value,
        "threshold_ns": objective.threshold_ns,
        "target": objective.target,
        "window_ns": objective.window_ns,
    }
    if objective.stage is not None:
        written["stage"] = objective.stage.label
    if objective.within:
        written["within_ns"] = {sli.value: ns for sli, ns in objective.within}
    scope = {"tenant": objective.tenant, "version": objective.version, "class": objective.request_class}
    if of := {name: value for name, value in scope.items() if value}:
        written["for"] = of
    return written


def _objective(entry: Mapping[str, Any]) -> Objective:
    stage, scope = entry.get("stage"), entry.get("for", {})
    return Objective(
        slo=entry["slo"],
        service=entry["service"],
        model=entry["model"],
        name=entry["objective"],
        sli=Sli(entry["sli"]),
        threshold_ns=entry["threshold_ns"],
        target=entry["target"],
        window_ns=entry["window_ns"],
        stage=None if stage is None else Stage[stage.upper()],
        within=tuple((Sli(name), ns) for name, ns in entry.get("within_ns", {}).items()),
        tenant=scope.get("tenant", ""),
        version=scope.get("version", ""),
        request_class=scope.get("class", ""),
    )
