"""Reads a document into frozen dataclasses by their schema; every error points at the value that is wrong."""

from typing import Any, TypeVar

from inferometer.fleet.document import Mapping, Scalar, Sequence, Value, wrong
from inferometer.fleet.scalars import Kind, WrongValueError, nearest
from inferometer.fleet.schema import Dictionary, Entry, Listing, Nested, Shape, Table, exactly_one, keys

T = TypeVar("T")


def _read(shape: Shape, value: Value, what: str) -> Any:
    if isinstance(shape, Kind):
        return _scalar(shape, value, what)
    if isinstance(shape, Nested):
        return read_object(shape.of, value, what)
    if isinstance(shape, Table):
        return _table(shape, value, what)
    if isinstance(shape, Dictionary):
        return _pairs(shape, value, what)
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


def read_object(cls: type[T], value: Value, what: str, **given: object) -> T:
    """The dataclass that a mapping describes; *what* names it in errors: the file, or the path of keys to it.

    Raises:
        FleetError: the value is no mapping, or a key is unknown, missing or of another kind.
    """
    mapping = _mapping(value, what)
    known = {entry.name: entry for entry in keys(cls)}
    for written, _ in mapping.items:
        if written.text not in known:
            raise wrong(written, f"{what} has no key {written.text!r}", nearest(written.text, tuple(known)))
    _check_one_of(cls, mapping, what)
    lacking = [entry for name, entry in known.items() if entry.required and mapping.get(name) is None]
    if lacking:
        names = ", ".join(repr(entry.name) for entry in lacking)
        raise wrong(mapping, f"{what} lacks the key{'s' * (len(lacking) > 1)} {names}", _missing(lacking))
    for name, entry in known.items():
        found = mapping.get(name)
        if found is not None:
            given[entry.attribute] = _read(entry.shape, found, _named(what, name))
    return cls(**given)


def _check_one_of(cls: type, mapping: Mapping, what: str) -> None:
    names = exactly_one(cls)
    written = [key for key, _ in mapping.items if key.text in names]
    if names and len(written) != 1:
        place: Value = written[1] if written else mapping
        raise wrong(place, f"{what} needs exactly one of {', '.join(names)}", f"write one: {names[0]}")


def _missing(lacking: list[Entry]) -> str:
    """What to add; of more than one key all, so that nobody is sent back for each."""
    written = {
        entry.name: f"`{entry.name}:{f' {entry.shape.example}' if isinstance(entry.shape, Kind) else ''}`"
        for entry in lacking
    }
    if len(lacking) == 1:
        return f"add {written[lacking[0].name]}: {lacking[0].doc}"
    return f"add {', '.join(written.values())}"


def _named(what: str, name: str) -> str:
    return name if what.endswith(".yaml") else f"{what}.{name}"


def _table(shape: Table, value: Value, what: str) -> tuple[Any, ...]:
    mapping = _mapping(value, what)
    if not mapping.items:
        raise wrong(mapping, f"{what} is empty", "name at least one")
    return tuple(
        read_object(shape.of, entry, f"{what}.{name.text}", name=_scalar(shape.key, name, f"a name in {what}"))
        for name, entry in mapping.items
    )


def _pairs(shape: Dictionary, value: Value, what: str) -> tuple[tuple[str, Any], ...]:
    return tuple(
        (_scalar(shape.key, name, f"a name in {what}"), _read(shape.of, entry, f"{what}.{name.text}"))
        for name, entry in _mapping(value, what).items
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
