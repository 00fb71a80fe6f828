"""Spans of requests that differ in ids, times and sizes only: one `struct` call writes all children of a root."""

import struct
from collections.abc import Sequence
from typing import Final

from inferometer.otlp.span_ids import LAST_BYTES
from inferometer.otlp.span_layout import CHILD, CHILD_SIZE, prefixed

_IDS: Final = struct.Struct(">2sQQ2sQ")
"""trace id and the span's own"""
_FAMILY: Final = struct.Struct(">2sQQ2sQ2sQ")
"""trace id, parent id, and the id of a child, whose last byte is its own"""
_PARENT: Final = struct.Struct(">2sQ")
_TIMES: Final = struct.Struct("<cQcQ")
_ROOT_SIZE: Final = _IDS.size + _TIMES.size
_FIELDS: Final = 7
"""Arguments of `struct` per child: what goes before, head, id, tag, start, tag, end."""


class TraceTemplate:
    """A root and its children, in order.

    Args:
        fields: of each child: everything but ids and times, encoded.
    """

    def __init__(self, fields: Sequence[bytes]) -> None:
        pieces = [b"", *fields]
        for index, own in enumerate(fields):
            pieces[index] += prefixed(CHILD_SIZE + len(own))
        self.spans = 1 + len(fields)
        """Number of spans, the root included."""
        child = CHILD.format.lstrip("<")
        layout = "".join(f"{len(piece)}s{child}" for piece in pieces[:-1]) + f"{len(pieces[-1])}s"
        self._pack = struct.Struct("<" + layout).pack
        self._arguments: list[object] = []
        for piece in pieces[:-1]:
            self._arguments += [piece, b"", 0, b"\x39", 0, b"\x41", 0]
        self._arguments.append(pieces[-1])
        self._children = len(fields)

    def encode(
        self,
        ids: tuple[int, int, int, int],
        fields: bytes,
        at: tuple[int, int],
        starts: Sequence[int],
        ends: Sequence[int],
    ) -> bytes:
        """The spans, each with its tag and length.

        Args:
            ids: trace id high and low, span id of the root, its parent's or 0.
            fields: of the root: everything but ids and times, encoded.
            at: start and end of the root, ns since the epoch.
            starts: of the children, ns since the epoch.
            ends: the same.
        """
        high, low, span, parent = ids
        arguments = self._arguments.copy()
        head = _FAMILY.pack(b"\x0a\x10", high, low, b"\x22\x08", span, b"\x12\x08", span)[:-1]
        arguments[1::_FIELDS] = [head] * self._children
        arguments[2::_FIELDS] = LAST_BYTES[span & 255][: self._children]
        arguments[4::_FIELDS] = starts
        arguments[6::_FIELDS] = ends
        length = _ROOT_SIZE + len(fields)
        above = b""
        if parent:
            above = _PARENT.pack(b"\x22\x08", parent)
            length += _PARENT.size
        return b"".join((
            prefixed(length),
            _IDS.pack(b"\x0a\x10", high, low, b"\x12\x08", span),
            above,
            _TIMES.pack(b"\x39", at[0], b"\x41", at[1]),
            fields,
            self._pack(*arguments),
        ))  # fmt: skip
