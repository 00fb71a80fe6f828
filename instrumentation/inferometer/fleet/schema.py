"""Dataclasses as schema: one definition from which fleet.yaml is read and its JSON Schema is written.

A field annotated with :class:`Key` says how its value is written; a class may set ``EXACTLY_ONE`` to the names of keys
of which one must stand there.
"""

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields
from typing import Any, get_type_hints

from inferometer.fleet.scalars import Json, Kind


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


@dataclass(frozen=True, slots=True)
class Dictionary:
    """A mapping from texts to values of one shape, read as pairs in the order of the file."""

    key: Kind[str]
    of: "Shape"


Shape = Kind[Any] | Nested | Table | Listing | Dictionary


@dataclass(frozen=True, slots=True)
class Key:
    """How a field stands in the file: annotate it with this; ``name`` where the key differs from the field."""

    shape: Shape
    doc: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A key of a mapping, and the field that it fills."""

    name: str
    attribute: str
    shape: Shape
    doc: str
    required: bool


def keys(cls: type) -> tuple[Entry, ...]:
    """The keys of a dataclass, in the order in which they are declared."""
    return tuple(_keys(cls))


def _keys(cls: type) -> Iterator[Entry]:
    hints = get_type_hints(cls, include_extras=True)
    for field in fields(cls):
        for key in getattr(hints[field.name], "__metadata__", ()):
            yield Entry(
                name=key.name or field.name,
                attribute=field.name,
                shape=key.shape,
                doc=key.doc,
                required=field.default is MISSING,
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
    if isinstance(shape, Dictionary):
        return {"type": "object", "propertyNames": dict(shape.key.json), "additionalProperties": _json(shape.of)}
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
