"""The few protobuf fields that spans need, by hand; tags are those of ``opentelemetry/proto/trace/v1/trace.proto``."""

import struct
from functools import lru_cache
from typing import Final

from inferometer.catalog.spans import Attribute
from inferometer.wire.varint import part, varint

Value = str | bool | int | float

_DOUBLE: Final = struct.Struct("<d").pack
_FIXED: Final = struct.Struct("<Q").pack


@lru_cache(maxsize=256)
def _key(attribute_: Attribute) -> bytes:
    return part(b"\x0a", attribute_.name.encode())


@lru_cache(maxsize=4096)
def _text(attribute_: Attribute, text: str) -> bytes:
    # Labels repeat from request to request; numbers mostly do not, and would only push the labels out.
    return _key(attribute_) + part(b"\x12", _any_value(text))


def pair(attribute_: Attribute, value: Value) -> bytes:
    """A ``KeyValue`` message."""
    if isinstance(value, str):
        return _text(attribute_, value)
    return _key(attribute_) + part(b"\x12", _any_value(value))


def attribute(attribute_: Attribute, value: Value) -> bytes:
    """An attribute of a span."""
    return part(b"\x4a", pair(attribute_, value))


def texts(attribute_: Attribute, values: tuple[str, ...]) -> bytes:
    """An attribute of a span that is a list of strings."""
    array = b"".join(part(b"\x0a", _any_value(value)) for value in values)
    return part(b"\x4a", _key(attribute_) + part(b"\x12", part(b"\x2a", array)))


def _any_value(value: Value) -> bytes:
    if isinstance(value, str):
        return part(b"\x0a", value.encode("utf-8", "replace"))
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        return b"\x18" + varint(value)
    return b"\x21" + _DOUBLE(value)


def times(start_ns: int, end_ns: int) -> bytes:
    """Start and end of a span, ns since the epoch."""
    return b"\x39" + _FIXED(start_ns) + b"\x41" + _FIXED(end_ns)


def link(trace: bytes, span: bytes) -> bytes:
    """A link to another span."""
    return part(b"\x6a", b"\x0a\x10" + trace + b"\x12\x08" + span)
