"""Spans read back from an encoded export: what else makes spans of a record makes the same ones.

Reads what `inferometer.otlp.encode` writes; fields that it does not write are passed by.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from inferometer.errors import WireError

Value = str | bool | int | float | tuple[str, ...]

_FIXED64: Final = struct.Struct("<Q")
_DOUBLE: Final = struct.Struct("<d")
_SIGN: Final = 1 << 63
# Numbers of fields in trace.proto.
_IDS: Final = {1: "trace_id", 2: "span_id", 4: "parent_id"}
_NUMBERS: Final = {6: "kind", 7: "start_ns", 8: "end_ns"}
_NAME: Final = 5
_ATTRIBUTE: Final = 9
_LINK: Final = 13
_STATUS: Final = 15
_CODE: Final = 3
_ERROR: Final = 2


@dataclass(slots=True)
class ReadSpan:
    """A span as it was encoded; ids as integers, times in ns since the epoch."""

    trace_id: int = 0
    span_id: int = 0
    parent_id: int = 0
    """0 without one."""
    name: str = ""
    kind: int = 0
    """``SpanKind`` of OTLP: 1 internal, 2 server, 3 client."""
    start_ns: int = 0
    end_ns: int = 0
    attributes: dict[str, Value] = field(default_factory=dict)
    links: list[tuple[int, int]] = field(default_factory=list)
    """(trace id, span id)."""
    failed: bool = False
    """Whether its status is ``ERROR``."""


def read_spans(data: bytes) -> Iterator[ReadSpan]:
    """Every span of an ``ExportTraceServiceRequest``, in its order.

    Raises:
        WireError: it is no such message.
    """
    try:
        for _, resource in _messages(data, 1):
            for _, scope in _messages(resource, 2):
                for _, span in _messages(scope, 2):
                    yield _span(span)
    except UnicodeDecodeError as error:
        raise WireError(f"no encoded spans: {error}") from error


def _messages(data: bytes, wanted: int) -> Iterator[tuple[int, bytes]]:
    for number, value in fields(data):
        if number == wanted and isinstance(value, bytes):
            yield number, value


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of each field of a message: bytes where it has a length, else the integer of its bits.

    Raises:
        WireError: it is no message.
    """
    try:
        yield from _fields(data)
    except (IndexError, struct.error) as error:
        raise WireError(f"no protobuf message: {error}") from error


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
        elif wire == 1:
            yield tag >> 3, _FIXED64.unpack_from(data, at)[0]
            at += 8
        elif wire == 2:  # noqa: PLR2004 - protobuf: a length and so many bytes
            length, at = _varint(data, at)
            if at + length > len(data):
                raise IndexError(f"a field of {length} bytes ends after {len(data) - at}")
            yield tag >> 3, data[at : at + length]
            at += length
        else:
            raise IndexError(f"wire type {wire}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:  # noqa: PLR2004 - the highest bit says that more follow
            return value, at
        shift += 7


def _span(data: bytes) -> ReadSpan:
    span = ReadSpan()
    for number, value in fields(data):
        if isinstance(value, int):
            if number in _NUMBERS:
                setattr(span, _NUMBERS[number], value)
        elif number in _IDS:
            setattr(span, _IDS[number], int.from_bytes(value, "big"))
        elif number == _NAME:
            span.name = value.decode()
        elif number == _ATTRIBUTE:
            key, held = _pair(value)
            span.attributes[key] = held
        elif number == _LINK:
            ids = {of: int.from_bytes(part, "big") for of, part in fields(value) if isinstance(part, bytes)}
            span.links.append((ids.get(1, 0), ids.get(2, 0)))
        elif number == _STATUS:
            span.failed = (_CODE, _ERROR) in fields(value)
    return span


def _pair(data: bytes) -> tuple[str, Value]:
    key, value = "", b""
    for number, part in fields(data):
        if isinstance(part, bytes):
            key, value = (part.decode(), value) if number == 1 else (key, part)
    return key, _value(value)


def _value(data: bytes) -> Value:
    for number, value in fields(data):
        if isinstance(value, bytes):
            if number == 5:  # noqa: PLR2004 - numbers of fields in common.proto
                return tuple(str(_value(one)) for _, one in _messages(value, 1))
            return value.decode()
        if number == 2:  # noqa: PLR2004 - a field's number on the wire
            return bool(value)
        if number == 4:  # noqa: PLR2004 - a field's number on the wire
            return float(_DOUBLE.unpack(_FIXED64.pack(value))[0])
        return value - (1 << 64) if value & _SIGN else value
    return ""
