"""Dataclasses as schema: one definition from which fleet.yaml is read and its JSON Schema is written.

A field made with :func:`key` says how its value is written; a class may set ``EXACTLY_ONE`` to the names of keys
of which one must stand there.
"""

from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, Final

from inferometer.fleet.scalars import Json, Kind

_KEY: Final = "inferometer.fleet.key"


@dataclass(frozen=True, slots=True)
class Nested:
    """A mapping with the keys of a dataclass."""

    of: type


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping from names to entries; the name becomes the entry's field ``name``."""

    of: type
    key: Kind[str]


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of values of one kind, or of mappings."""

    of: Kind[Any] | Nested
    unique: bool = False


Shape = Kind[Any] | Nested | Table | Listing


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """How a field stands in the file."""

    name: str
    shape: Shape
    doc: str
    required: bool
    attribute: str


def key(shape: Shape, doc: str, *, name: str = "", default: Any = MISSING) -> Any:
    """A dataclass field that is read from the key ``name`` (the field's own name where none is given)."""
    metadata = {_KEY: (shape, doc, name)}
    if default is MISSING:
        return field(metadata=metadata)
    return field(metadata=metadata, default=default)


def keys(cls: type) -> tuple[Key, ...]:
    """The keys of a dataclass, in the order in which they are declared."""
    return tuple(_keys(cls))


def _keys(cls: type) -> Iterator[Key]:
    entry: Field[Any]
    for entry in fields(cls):
        if _KEY in entry.metadata:
            shape, doc, name = entry.metadata[_KEY]
            yield Key(
                name=name or entry.name,
                shape=shape,
                doc=doc,
                required=entry.default is MISSING,
                attribute=entry.name,
            )


def exactly_one(cls: type) -> tuple[str, ...]:
    """The keys of which exactly one must be written; empty where there is no such rule."""
    names: tuple[str, ...] = getattr(cls, "EXACTLY_ONE", ())
    return names


def json_schema(cls: type, *, title: str) -> Json:
    """The JSON Schema (draft 2020-12) of a file whose root is ``cls``: editors complete and check with it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **_json(Nested(cls))}


def _json(shape: Shape) -> Json:
    if isinstance(shape, Kind):
        return dict(shape.json)
    if isinstance(shape, Table):
        return {
            "type": "object",
            "propertyNames": dict(shape.key.json),
            "additionalProperties": _json(Nested(shape.of)),
        }
    if isinstance(shape, Listing):
        listing: Json = {"type": "array", "items": _json(shape.of)}
        return {**listing, "uniqueItems": True} if shape.unique else listing
    return _json_object(shape.of)


def _json_object(cls: type) -> Json:
    entries = keys(cls)
    schema: Json = {
        "type": "object",
        "description": (cls.__doc__ or "").splitlines()[0],
        "additionalProperties": False,
        "properties": {entry.name: {**_json(entry.shape), "description": entry.doc} for entry in entries},
    }
    if required := [entry.name for entry in entries if entry.required]:
        schema["required"] = required
    if one_of := exactly_one(cls):
        schema["oneOf"] = [{"required": [name]} for name in one_of]
    return schema
