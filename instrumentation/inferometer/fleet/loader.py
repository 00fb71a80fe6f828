"""Reads and checks fleet.yaml; every error points at the value that is wrong and says what would be right."""

from pathlib import Path
from typing import Any, Final, TypeVar

from inferometer.errors import FleetError
from inferometer.fleet import document, durations
from inferometer.fleet.document import Mapping, Scalar, Sequence, Value, wrong
from inferometer.fleet.model import Fleet, Receiver, Service
from inferometer.fleet.scalars import Kind, WrongValueError, nearest
from inferometer.fleet.schema import Entry, Listing, Nested, Shape, Table, exactly_one, keys
from inferometer.fleet.slos import slo_name
from inferometer.fleet.thresholds import Sli

T = TypeVar("T")

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
    fleet = _object(Fleet, root, "fleet.yaml")
    _check_objectives(fleet, root)
    _check_services(fleet, root)
    _check_routes(fleet, root)
    return fleet


def _read(shape: Shape, value: Value, what: str) -> Any:
    if isinstance(shape, Kind):
        return _scalar(shape, value, what)
    if isinstance(shape, Nested):
        return _object(shape.of, value, what)
    if isinstance(shape, Table):
        return _table(shape, value, what)
    return _listing(shape, value, what)


def _scalar(kind: Kind[T], value: Value, what: str) -> T:
    if not isinstance(value, Scalar) or value.kind not in kind.written_as:
        hint = f"write a {kind.name}: {kind.example}"
        if isinstance(value, Scalar) and value.kind in {"number", "date", "truth value"}:
            hint = f'put it in quotes: "{value.text}"'
        raise wrong(value, f"{what} must be a {kind.name}, found {_found(value)}", hint)
    try:
        return kind.read(value.text)
    except WrongValueError as error:
        raise wrong(value, f"{what}: {error}", error.hint) from error


def _found(value: Value) -> str:
    return f"a {value.kind}" if value.kind != "nothing" else "nothing"


def _mapping(value: Value, what: str) -> Mapping:
    if not isinstance(value, Mapping):
        raise wrong(value, f"{what} must be a mapping of keys and values, found {_found(value)}")
    return value


def _object(cls: type[T], value: Value, what: str, **given: object) -> T:
    mapping = _mapping(value, what)
    known = {entry.name: entry for entry in keys(cls)}
    for written, _ in mapping.items:
        if written.text not in known:
            raise wrong(written, f"{what} has no key {written.text!r}", nearest(written.text, tuple(known)))
    _check_one_of(cls, mapping, what)
    for name, entry in known.items():
        found = mapping.get(name)
        if found is not None:
            given[entry.attribute] = _read(entry.shape, found, _named(what, name))
        elif entry.required:
            raise wrong(mapping, f"{what} lacks the key {name!r}", _missing(entry))
    return cls(**given)


def _check_one_of(cls: type, mapping: Mapping, what: str) -> None:
    names = exactly_one(cls)
    written = [key for key, _ in mapping.items if key.text in names]
    if names and len(written) != 1:
        place: Value = written[1] if written else mapping
        raise wrong(place, f"{what} needs exactly one of {', '.join(names)}", f"write one: {names[0]}")


def _missing(entry: Entry) -> str:
    example = f" {entry.shape.example}" if isinstance(entry.shape, Kind) else ""
    return f"add `{entry.name}:{example}`: {entry.doc}"


def _named(what: str, name: str) -> str:
    return name if what == "fleet.yaml" else f"{what}.{name}"


def _table(shape: Table, value: Value, what: str) -> tuple[Any, ...]:
    mapping = _mapping(value, what)
    if not mapping.items:
        raise wrong(mapping, f"{what} is empty", "name at least one")
    return tuple(
        _object(shape.of, entry, f"{what}.{name.text}", name=_scalar(shape.key, name, f"a name in {what}"))
        for name, entry in mapping.items
    )


def _listing(shape: Listing, value: Value, what: str) -> tuple[Any, ...]:
    if not isinstance(value, Sequence):
        raise wrong(value, f"{what} must be a list, found {_found(value)}", "write [one, two]")
    seen: list[Any] = []
    for item in value.items:
        read = _read(shape.of, item, what)
        if shape.unique and read in seen:
            raise wrong(item, f"{what} names {read!r} twice", "remove one of the two")
        seen.append(read)
    return tuple(seen)


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


def _check_routes(fleet: Fleet, root: Mapping) -> None:
    receivers: dict[str, Receiver] = {receiver.name: receiver for receiver in fleet.receivers}
    for severity, name in (("page", fleet.routes.page), ("ticket", fleet.routes.ticket)):
        if name not in receivers:
            raise FleetError(
                f"there is no receiver {name!r}",
                _at(root, "routes", severity).place,
                hint=nearest(name, tuple(receivers)),
                width=len(name),
            )
