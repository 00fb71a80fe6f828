"""What services, models and devices promise: objectives that exist, that they can have, under names of their own."""

from collections.abc import Iterator
from typing import Final

from inferometer.catalog.labels import SLO
from inferometer.fleet import durations, engine_checks, objective_checks
from inferometer.fleet.devices import DeviceKind
from inferometer.fleet.document import Mapping, Scalar, Sequence, Value, at, wrong
from inferometer.fleet.model import Fleet
from inferometer.fleet.objective import TIMES, Sli
from inferometer.fleet.promises import ObjectiveEntry, Override
from inferometer.fleet.scalars import nearest
from inferometer.fleet.service import Service
from inferometer.fleet.slos import ObjectiveSpec, Slo, promised, slos

_OF_DEVICES: Final = "name it there: devices: [{match: {kind: gpu}, …, objectives: [NAME]}]"


def check(fleet: Fleet, root: Mapping) -> None:
    """Check what is promised; objectives are right by themselves already.

    Raises:
        FleetError: somebody promises what cannot be.
    """
    entries = {entry.name: entry for entry in fleet.objectives}
    for _, place, name in _named(fleet, root):
        if name not in entries:
            raise wrong(place, f"there is no objective {name!r}", nearest(name, tuple(entries)))
    for what, place, name in _named(fleet, root):
        _check_kind(what, place, entries[name])
    _check_devices(fleet, root, entries)
    for service in fleet.services:
        _check_overrides(fleet, service, root, entries)
    _check_slos(fleet, root)


def _named(fleet: Fleet, root: Mapping) -> Iterator[tuple[str, Value, str]]:
    """(who, place, name) of each objective that is named for requests."""
    yield from _names("defaults", at(root, "defaults"), fleet.defaults.objectives)
    for service in fleet.services:
        what, place = f"services.{service.name}", at(root, "services", service.name)
        yield from _names(what, place, service.objectives or ())
        for model in service.models:
            yield from _names(f"{what}.models.{model.name}", at(place, "models", model.name), model.objectives or ())


def _names(what: str, place: Value, names: tuple[str, ...]) -> Iterator[tuple[str, Value, str]]:
    for name, item in zip(names, _items(at(place, "objectives")), strict=bool(names)):
        yield what, item, name


def _items(value: Value) -> tuple[Value, ...]:
    return value.items if isinstance(value, Sequence) else ()


def _check_kind(what: str, place: Value, entry: ObjectiveEntry) -> None:
    if entry.sli is Sli.GPU_AVAILABILITY:
        raise wrong(place, f"{what} serves requests, but {entry.name} is about devices", _OF_DEVICES)


def _check_devices(fleet: Fleet, root: Mapping, entries: dict[str, ObjectiveEntry]) -> None:
    for number, (device, place) in enumerate(zip(fleet.devices, _items(at(root, "devices")), strict=False)):
        for _, item, name in _names(f"devices[{number}]", place, device.objectives):
            if name not in entries:
                raise wrong(item, f"there is no objective {name!r}", nearest(name, tuple(entries)))
            if entries[name].sli is not Sli.GPU_AVAILABILITY:
                raise wrong(
                    item,
                    f"devices[{number}] serves no requests, but {name} is about {entries[name].sli}",
                    f"name an objective of `sli: {Sli.GPU_AVAILABILITY}`",
                )
            if device.match.kind is not DeviceKind.GPU:
                raise wrong(item, f"devices[{number}] is a {device.match.kind}, but {name} is about GPUs", "remove it")


def _check_overrides(fleet: Fleet, service: Service, root: Mapping, entries: dict[str, ObjectiveEntry]) -> None:
    what, place = f"services.{service.name}", at(root, "services", service.name)
    every = tuple(dict.fromkeys(name for model in service.models for name in promised(fleet, service, model)))
    for override in service.overrides:
        _check_override(override, every, entries, place, what)
    for model in service.models:
        mine = at(place, "models", model.name)
        for override in model.overrides:
            _check_override(override, promised(fleet, service, model), entries, mine, f"{what}.models.{model.name}")


def _check_override(
    override: Override, promises: tuple[str, ...], entries: dict[str, ObjectiveEntry], owner: Value, what: str
) -> None:
    place = at(owner, "overrides", override.name)
    if override.name not in promises:
        raise wrong(place, f"{what} does not promise {override.name!r}", nearest(override.name, promises))
    what = f"{what}.overrides.{override.name}"
    objective_checks.check_keys(override, entries[override.name].sli, place, what)
    if override.window_ns is not None:
        objective_checks.check_window(override.window_ns, at(place, "window"), f"{what}.window")


def _check_slos(fleet: Fleet, root: Mapping) -> None:
    named: dict[str, Slo] = {}
    specs: dict[str, ObjectiveSpec] = {}
    services = {service.name: service for service in fleet.services}
    for slo in slos(fleet):
        place = _place(root, slo)
        first = named.setdefault(slo.name, slo)
        if first is not slo:
            raise wrong(
                place,
                f"{_who(slo)} and {_who(first)} both get the SLO name {slo.name!r}",
                "rename one of the services, models or objectives",
            )
        if specs.setdefault(slo.objective.name, slo.objective) != slo.objective:
            raise wrong(place, f"two objectives are called {slo.objective.name!r}", "rename one of them")
        if slo.service:
            _check_reach(services[slo.service], slo, place)
            engine_checks.check(services[slo.service], slo, root, place)
    if len(named) > SLO.max_values:
        raise wrong(
            at(root, "services"),
            f"the fleet has {len(named)} SLOs, more than the {SLO.max_values} that have series",
            "promise less, or split the fleet",
        )


def _who(slo: Slo) -> str:
    of = f"{slo.service}/{slo.model}" if slo.service else "devices"
    return f"{of} ({slo.tenant or slo.request_class})" if slo.tenant or slo.request_class else of


def _place(root: Mapping, slo: Slo) -> Value:
    """Where it is promised: in the nearest list that names objectives."""
    if not slo.service:
        return at(root, "devices")
    service = at(root, "services", slo.service)
    model = at(service, "models", slo.model)
    for owner in (model, service, at(root, "defaults")):
        listing = owner.get("objectives") if isinstance(owner, Mapping) else None
        for item in _items(listing) if listing is not None else ():
            if isinstance(item, Scalar) and item.text == slo.promise:
                return item
    return model


def _check_reach(service: Service, slo: Slo, place: Value) -> None:
    spec = slo.objective
    limits = (*spec.within, *(((spec.sli, spec.threshold_ns),) if spec.threshold_ns and spec.sli in TIMES else ()))
    for _, limit_ns in limits:
        if service.instrumented and limit_ns >= service.timeout_ns:
            raise wrong(
                place,
                f"{spec.name} allows {durations.render(limit_ns)}, but services.{service.name} gives up after "
                f"{durations.render(service.timeout_ns)}",
                "lower the threshold or raise the service's timeout",
            )
