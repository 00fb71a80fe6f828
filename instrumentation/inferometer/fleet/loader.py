"""Reads and checks fleet.yaml; every error points at the value that is wrong and says what would be right."""

from pathlib import Path
from typing import Final

from inferometer.fleet import autoscaling_checks, budgets, device_prices, document, durations, maintenance, routing
from inferometer.fleet.document import Mapping, Scalar, Sequence, Value, wrong
from inferometer.fleet.model import Fleet, Service
from inferometer.fleet.reader import read_object
from inferometer.fleet.scalars import nearest
from inferometer.fleet.slos import slo_name
from inferometer.fleet.thresholds import Sli

SHORTEST_WINDOW_NS: Final = durations.parse("1d")
LONGEST_WINDOW_NS: Final = durations.parse("90d")


def load(path: Path) -> Fleet:
    """The fleet that a file describes.

    Raises:
        FleetError: the file is missing, is no YAML, or says something that cannot be right.
    """
    return check(document.read(path))


def loads(text: str, *, file: str = "fleet.yaml") -> Fleet:
    """The fleet that a text describes; ``file`` is named in errors.

    Raises:
        FleetError: as for :func:`load`.
    """
    return check(document.parse(text, file=file))


def check(root: Mapping) -> Fleet:
    """The fleet of a document.

    Raises:
        FleetError: as for :func:`load`.
    """
    fleet = read_object(Fleet, root, "fleet.yaml")
    _check_objectives(fleet, root)
    _check_services(fleet, root)
    device_prices.check(fleet, root)
    routing.check(fleet, root)
    maintenance.check(fleet, root)
    budgets.check(fleet, root)
    autoscaling_checks.check(fleet, root)
    return fleet


def _at(root: Mapping, *path: str) -> Value:
    value: Value = root
    for name in path:
        found = value.get(name) if isinstance(value, Mapping) else None
        value = found if found is not None else value
    return value


def _check_objectives(fleet: Fleet, root: Mapping) -> None:
    for spec in fleet.objectives:
        what = f"objectives.{spec.name}"
        if not SHORTEST_WINDOW_NS <= spec.window_ns <= LONGEST_WINDOW_NS:
            value = _at(root, "objectives", spec.name, "window")
            raise wrong(
                value,
                f"{what}.window: {durations.render(spec.window_ns)} cannot be kept",
                "write 1d to 90d, for instance 30d",
            )
        if spec.sli is Sli.AVAILABILITY and spec.threshold_ns is not None:
            value = _at(root, "objectives", spec.name, "threshold")
            raise wrong(
                value, f"{what} has a threshold, but availability has none", f"remove it, or write `sli: {Sli.LATENCY}`"
            )
        if spec.sli is not Sli.AVAILABILITY and spec.threshold_ns is None:
            raise wrong(
                _at(root, "objectives", spec.name),
                f"{what} lacks the key 'threshold'",
                f"add `threshold: 250ms`: {spec.sli} is good up to a time",
            )


def _check_services(fleet: Fleet, root: Mapping) -> None:
    specs = tuple(spec.name for spec in fleet.objectives)
    promised: dict[str, str] = {}
    for service in fleet.services:
        for model in service.models:
            path = ("services", service.name, "models", model.name, "objectives")
            listing = _at(root, *path)
            places = listing.items if isinstance(listing, Sequence) else ()
            for name, place in zip(model.objectives, places, strict=True):
                if name not in specs:
                    raise wrong(_value(place), f"there is no objective {name!r}", nearest(name, specs))
                slo = slo_name(service.name, model.name, name)
                who = f"{service.name}/{model.name}"
                if promised.setdefault(slo, who) != who:
                    raise wrong(
                        _value(place),
                        f"{who} and {promised[slo]} both get the SLO name {slo!r}",
                        "rename one of the services or models",
                    )
                _check_reach(fleet, service, name, _value(place))


def _value(item: Value | tuple[Scalar, Value]) -> Value:
    return item[1] if isinstance(item, tuple) else item


def _check_reach(fleet: Fleet, service: Service, objective: str, place: Value) -> None:
    spec = next(spec for spec in fleet.objectives if spec.name == objective)
    if spec.threshold_ns is not None and spec.threshold_ns >= service.timeout_ns:
        raise wrong(
            place,
            f"{objective} allows {durations.render(spec.threshold_ns)}, but services.{service.name} gives up after "
            f"{durations.render(service.timeout_ns)}",
            "lower the threshold or raise the service's timeout",
        )
