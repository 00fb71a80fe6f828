"""Bytes of protobuf cut into fields, without knowing what they mean."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from inferometer.errors import WireError

_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_FIXED: Final = {_FIXED64: 8, _FIXED32: 4}
_MORE: Final = 0x80
_BITS: Final = 7
_LONGEST: Final = 10
"""Bytes of a varint of 64 bits."""


class CutError(WireError):
    """Bytes are no fields, or of a kind that OTLP does not use."""


class Cut(NamedTuple):
    """A field: its number, its wire type, and where its value lies."""

    number: int
    wire: int
    begin: int
    end: int
    value: int = 0
    """Of a varint."""


def cut(data: bytes, begin: int, end: int) -> Iterator[Cut]:
    """The fields between two places of *data*.

    Raises:
        CutError: they do not fill it, or one is a group.
    """
    at = begin
    while at < end:
        found = field_at(data, at, end)
        yield found
        at = found.end


def field_at(data: bytes, at: int, end: int) -> Cut:
    """The field that begins at a place of *data*, and ends before another.

    Raises:
        CutError: it does not, or is a group.
    """
    tag, at = _varint(data, at, end)
    number, wire = tag >> 3, tag & 7
    value = 0
    if wire == _VARINT:
        value, after = _varint(data, at, end)
    elif wire == _DELIMITED:
        size, at = _varint(data, at, end)
        after = at + size
    else:
        after = at + _FIXED.get(wire, end + 1)
    if after > end:
        raise CutError("a field of protobuf is cut short, or a group")
    return Cut(number, wire, at, after, value)


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    found = 0
    for place in range(_LONGEST):
        if at + place >= end:
            break
        byte = data[at + place]
        found |= (byte & (_MORE - 1)) << (_BITS * place)
        if byte < _MORE:
            return found, at + place + 1
    raise CutError("a number of protobuf has no end")
