"""The shape of a span's bytes: where ids, times and numbers stand in every span that was written the same way.

Spans of one place in a program differ in ids, times and numbers, and are otherwise the same bytes. A shape is made of
one of them; others of its size that have the same bytes between the values are read as columns, without an object for
each span. What is written in a way that is not foreseen here has no shape, and is read by protobuf's own objects.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inferometer.otlp.read import Value
from inferometer_exporters.columns.tables import Column, Columns, Mask
from inferometer_exporters.receivers.protobuf import Cut, CutError, cut

Bytes = NDArray[np.uint8]
_VARINT, _FIXED64, _DELIMITED = 0, 1, 2
_TRACE, _SPAN, _PARENT, _NAME, _KIND, _START, _END, _ATTRIBUTE, _STATUS = 1, 2, 4, 5, 6, 7, 8, 9, 15
_SIZES: Final = {_TRACE: 16, _SPAN: 8, _PARENT: 8, _START: 8, _END: 8}
_WIRES: Final = {
    _TRACE: _DELIMITED, _SPAN: _DELIMITED, _PARENT: _DELIMITED, _NAME: _DELIMITED, _KIND: _VARINT, _START: _FIXED64,
    _END: _FIXED64, _ATTRIBUTE: _DELIMITED, _STATUS: _DELIMITED,
}  # fmt: skip
_ONCE: Final = frozenset(_WIRES) - {_ATTRIBUTE}
_NEEDED: Final = frozenset({_TRACE, _SPAN, _START, _END})
_KEY, _VALUE = 1, 2
_TEXT, _BOOL, _INT, _DOUBLE = 1, 2, 3, 4
"""Fields of ``AnyValue``."""
_STATUS_CODE: Final = 3
_FAILED: Final = 2
_MORE: Final = 0x80
_ANY: Final = 0
_SAME: Final = 0xFF
_BITS: Final = 7


@dataclass(frozen=True, slots=True)
class _Number:
    """An attribute whose value is not the same in all spans."""

    name: str
    at: int
    size: int
    is_double: bool


@dataclass(slots=True)
class Shape:
    """Where what stands in a span's bytes; made by `shape_of`."""

    mask: Bytes
    """Which bits of each byte are the same in all spans of the shape."""
    same: Bytes
    """These bits."""
    at: dict[int, int] = field(default_factory=dict)
    """Where the values of a span's own fields begin."""
    name: str = ""
    kind: int = 0
    failed: bool = False
    said: dict[str, Value] = field(default_factory=dict)
    """Attributes that are the same in all spans of the shape, of those that somebody wants."""
    numbers: list[_Number] = field(default_factory=list)

    def fits(self, rows: Bytes) -> Mask:
        """Which of *rows* (bytes of spans of this size) have this shape."""
        fitting: Mask = ((rows & self.mask) == self.same).all(axis=1)
        return fitting

    def columns(self, rows: Bytes) -> Columns:
        """Ids, times and kinds of spans of this shape."""
        trace = _big_endian(rows, self.at[_TRACE], 2)
        parent = self.at.get(_PARENT)
        start, end = (_little_endian(rows, self.at[name], np.uint64) for name in (_START, _END))
        return {
            "trace_hi": trace[:, 0],
            "trace_lo": trace[:, 1],
            "span_id": _big_endian(rows, self.at[_SPAN], 1)[:, 0],
            "parent_id": np.zeros(len(rows), np.uint64) if parent is None else _big_endian(rows, parent, 1)[:, 0],
            "start": start,
            "end": end,
            "kind": np.full(len(rows), self.kind, np.uint8),
        }

    def attributes(self, rows: Bytes) -> list[dict[str, Value]]:
        """Of each row the attributes that somebody wants."""
        if not self.numbers:
            return [self.said] * len(rows)
        names = [number.name for number in self.numbers]
        columns = [_values(rows, number).tolist() for number in self.numbers]
        return [{**self.said, **dict(zip(names, values, strict=True))} for values in zip(*columns, strict=True)]


def _values(rows: Bytes, number: _Number) -> Column:
    if number.is_double:
        return _little_endian(rows, number.at, np.float64)
    found = np.zeros(len(rows), np.uint64)
    for place in range(number.size):
        found |= (rows[:, number.at + place].astype(np.uint64) & np.uint64(_MORE - 1)) << np.uint64(_BITS * place)
    return found.view(np.int64)


def _big_endian(rows: Bytes, at: int, words: int) -> Column:
    return np.frombuffer(rows[:, at : at + 8 * words].tobytes(), ">u8").reshape(-1, words).astype(np.uint64)


def _little_endian(rows: Bytes, at: int, kind: type[np.generic]) -> Column:
    return np.frombuffer(rows[:, at : at + 8].tobytes(), np.dtype(kind).newbyteorder("<"))


def shape_of(span: bytes, wanted: frozenset[str]) -> Shape | None:
    """The shape of a span; None where it is written in a way that is not foreseen.

    Args:
        span: as protobuf writes it.
        wanted: attributes that somebody looks at; of others the values may be anything of the same size.
    """
    size = len(span)
    shape = Shape(np.full(size, _SAME, np.uint8), np.frombuffer(span, np.uint8).copy())
    seen: set[int] = set()
    try:
        for one in cut(span, 0, size):
            if (one.number in _ONCE and one.number in seen) or not _take(shape, span, one, wanted):
                return None
            seen.add(one.number)
    except (CutError, UnicodeDecodeError):
        return None
    shape.same &= shape.mask
    return shape if seen >= _NEEDED else None


def _take(shape: Shape, span: bytes, one: Cut, wanted: frozenset[str]) -> bool:
    """Add a field of a span; False where it is not as it should be."""
    number = one.number
    if number in _WIRES and one.wire != _WIRES[number]:
        return False
    if number in _SIZES:
        shape.at[number] = one.begin
        shape.mask[one.begin : one.end] = _ANY
        return one.end - one.begin == _SIZES[number]
    if number == _NAME:
        shape.name = span[one.begin : one.end].decode()
    elif number == _KIND:
        shape.kind = one.value
    elif number == _STATUS:
        return _status(shape, span, one)
    elif number == _ATTRIBUTE:
        return _attribute(shape, span, one, wanted)
    elif one.wire != _VARINT:
        shape.mask[one.begin : one.end] = _ANY
    # A kind of more than a byte is none.
    return shape.kind < _MORE


def _status(shape: Shape, span: bytes, one: Cut) -> bool:
    codes = [part for part in cut(span, one.begin, one.end) if part.number == _STATUS_CODE]
    shape.failed = any(part.value == _FAILED for part in codes)
    # Protobuf keeps 32 bits of a longer number: no code needs more than a byte.
    return len(codes) <= 1 and all(part.wire == _VARINT and part.value < _MORE for part in codes)


def _attribute(shape: Shape, span: bytes, one: Cut, wanted: frozenset[str]) -> bool:
    fields = list(cut(span, one.begin, one.end))
    if [(part.number, part.wire) for part in fields] != [(_KEY, _DELIMITED), (_VALUE, _DELIMITED)]:
        return False
    key, value = fields
    name = span[key.begin : key.end].decode()
    if name not in wanted:
        shape.mask[value.begin : value.end] = _ANY
        return True
    if name in shape.said or any(number.name == name for number in shape.numbers):
        return False
    kinds = list(cut(span, value.begin, value.end))
    return len(kinds) == 1 and _plain(shape, span, name, kinds[0])


def _plain(shape: Shape, span: bytes, name: str, value: Cut) -> bool:
    at, size = value.begin, value.end - value.begin
    if (value.number, value.wire) == (_TEXT, _DELIMITED):
        shape.said[name] = span[value.begin : value.end].decode()
    elif (value.number, value.wire) == (_BOOL, _VARINT):
        shape.said[name] = bool(value.value)
    elif (value.number, value.wire) == (_INT, _VARINT):
        # Where a number ends is the same in all of them.
        shape.mask[at : value.end] = _MORE
        shape.numbers.append(_Number(name, at, size, is_double=False))
    elif (value.number, value.wire) == (_DOUBLE, _FIXED64):
        shape.mask[at : value.end] = _ANY
        shape.numbers.append(_Number(name, at, size, is_double=True))
    else:
        return False
    return True
