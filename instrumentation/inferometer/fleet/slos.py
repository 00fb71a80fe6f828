"""The SLOs of a fleet: every objective of every model, worked out, under a name of its own."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final

from inferometer.catalog.stages import Stage
from inferometer.fleet import durations
from inferometer.fleet.devices import Device
from inferometer.fleet.model import Fleet
from inferometer.fleet.objective import COUNTED, Sli
from inferometer.fleet.promises import EVERYTHING, ObjectiveEntry, Override, Per, Scope
from inferometer.fleet.service import Model, Service
from inferometer.fleet.teams import team_of
from inferometer.fleet.thresholds import OTHER_TENANT

_OTHER = re.compile(r"[^A-Za-z0-9._]+")
DEFAULT_WINDOW_NS: Final = durations.parse("30d")
"""Where neither the objective nor the defaults say another: what people plan in."""


class Source(StrEnum):
    """Where the events of an SLO come from."""

    EVENTS = "events"
    """`inference_slo_events_total`: requests of our own services, judged one by one."""
    BUCKETS = "buckets"
    """Buckets and outcomes of a foreign engine's page."""
    SLOTS = "slots"
    """Half minutes: how things are is looked at again and again."""


def slo_name(*parts: str) -> str:
    """The value of the label `slo`: service, model and objective, joined by hyphens; and its tenant or class.

    Runs of other characters become one hyphen: the route ``/search`` of ``gateway`` gives ``gateway-search-available``.
    The loader refuses a fleet in which two models get the same name.
    """
    cleaned = (_OTHER.sub("-", part).strip("-") for part in parts)
    return "-".join(part for part in cleaned if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveSpec:
    """An objective worked out: nothing is left to a default. ``target`` in percent; one name, one promise."""

    name: str
    sli: Sli
    threshold_ns: int | None = None
    target: Decimal
    window_ns: int
    stage: Stage | None = None
    within: tuple[tuple[Sli, int], ...] = ()
    """Limits of a goodput, in ns."""
    usd_per_1k: Decimal | None = None
    scope: Scope = EVERYTHING
    """The requests that it is about, where it says so itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """An objective of one model, or of devices: then service and model are empty."""

    name: str
    service: str
    model: str
    objective: ObjectiveSpec
    promise: str = ""
    """Name of the objective in the file; that of `objective` says besides in what it differs."""
    source: Source = Source.EVENTS
    tenant: str = ""
    """Only requests of this one; empty: of all."""
    version: str = ""
    request_class: str = ""
    device: Device | None = None
    """The entry of `devices` that it is about."""
    team: str = ""
    """Who answers for it: the service's team, else the fleet's; empty where the file names neither."""


def slos(fleet: Fleet) -> Iterator[Slo]:
    """Every SLO, in the order of the file."""
    entries = {entry.name: entry for entry in fleet.objectives}
    for service in fleet.services:
        for model in service.models:
            for name in promised(fleet, service, model):
                yield from _of_model(fleet, service, model, entries[name])
    for device in fleet.devices:
        for name in device.objectives:
            yield Slo(
                name=device_slo_name(device, name),
                service="",
                model="",
                objective=spec(fleet, entries[name]),
                promise=name,
                source=Source.SLOTS,
                device=device,
                team=fleet.team or "",
            )


def device_slo_name(device: Device, objective: str) -> str:
    """Name of an SLO of devices: what is matched and the objective."""
    match = device.match
    told = (match.host, match.region, match.model, match.name)
    return slo_name(match.kind.value, *(part for part in told if part != "*"), objective)


def promised(fleet: Fleet, service: Service, model: Model) -> tuple[str, ...]:
    """Objectives of a model: its own, else its service's, else those of every model."""
    for named in (model.objectives, service.objectives):
        if named is not None:
            return named
    return fleet.defaults.objectives


def _of_model(fleet: Fleet, service: Service, model: Model, entry: ObjectiveEntry) -> Iterator[Slo]:
    made = spec(fleet, entry, overrides(service, model, entry.name))
    source = Source.SLOTS if entry.sli not in COUNTED else Source.EVENTS if service.instrumented else Source.BUCKETS
    for apart, scope in scopes(fleet, entry):
        yield Slo(
            name=slo_name(service.name, model.name, entry.name, apart),
            service=service.name,
            model=model.name,
            objective=made,
            promise=entry.name,
            source=source,
            tenant=scope.tenant or "",
            version=scope.version or "",
            request_class=scope.request_class or "",
            team=team_of(fleet, service) or "",
        )


def overrides(service: Service, model: Model, objective: str) -> tuple[Override, ...]:
    """What a service and then a model say otherwise of an objective."""
    return tuple(one for one in (*service.overrides, *model.overrides) if one.name == objective)


def scopes(fleet: Fleet, entry: ObjectiveEntry) -> Iterable[tuple[str, Scope]]:
    """(what to add to the name, requests) of each SLO that an objective makes of a model."""
    if entry.per is Per.TENANT:
        known = (*(fleet.tenants.known if fleet.tenants else ()), OTHER_TENANT)
        return [(tenant, replace(entry.scope, tenant=tenant)) for tenant in known]
    if entry.per is Per.CLASS:
        return [(one, replace(entry.scope, request_class=one)) for one in fleet.classes]
    return [("", entry.scope)]


def spec(fleet: Fleet, entry: ObjectiveEntry, others: Iterable[Override] = ()) -> ObjectiveSpec:
    """An objective worked out: with defaults, and with what is said otherwise.

    One that differs has a name that says in what, `interactive-400ms`: all that promise the same share their rules.
    """
    base = ObjectiveSpec(
        name=entry.name,
        sli=entry.sli,
        threshold_ns=entry.threshold_ns,
        target=_target(fleet, entry),
        window_ns=entry.window_ns or fleet.defaults.window_ns or DEFAULT_WINDOW_NS,
        stage=entry.stage,
        within=entry.within.limits if entry.within else (),
        usd_per_1k=entry.usd_per_1k,
        scope=entry.scope,
    )
    made = base
    for other in others:
        given = {field.name: getattr(other, field.name) for field in fields(other) if field.name != "name"}
        said = {name: value for name, value in given.items() if value is not None}
        if other.within is not None:
            said["within"] = other.within.limits
        made = replace(made, **said)
    return replace(made, name="-".join((entry.name, *_differences(base, made))))


def _target(fleet: Fleet, entry: ObjectiveEntry) -> Decimal:
    target = fleet.defaults.target if entry.target is None else entry.target
    if target is None:
        raise ValueError(f"objective {entry.name} has no target; the loader refuses such a fleet")
    return target


def _differences(base: ObjectiveSpec, made: ObjectiveSpec) -> Iterator[str]:
    if made.threshold_ns != base.threshold_ns and made.threshold_ns is not None:
        yield durations.render(made.threshold_ns)
    if made.within != base.within:
        yield from (durations.render(ns) for _, ns in made.within)
    if made.usd_per_1k != base.usd_per_1k and made.usd_per_1k is not None:
        yield f"{made.usd_per_1k.normalize():f}usd"
    if made.target != base.target:
        yield f"{made.target.normalize():f}"
    if made.window_ns != base.window_ns:
        yield durations.render(made.window_ns)
