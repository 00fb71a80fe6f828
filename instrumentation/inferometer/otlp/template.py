"""Spans of requests that differ in ids, times and sizes only: one `struct` call writes all children of a root."""

import struct
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Final, NamedTuple

from inferometer.otlp.span_ids import LAST_BYTES
from inferometer.otlp.span_layout import CHILD, CHILD_SIZE, prefixed

_IDS: Final = struct.Struct(">2sQQ2sQ")
"""trace id and the span's own"""
_FAMILY: Final = struct.Struct(">2sQQ2sQ2sQ")
"""trace id, parent id, and the id of a child, whose last byte is not taken over: that is its own"""
_PARENT: Final = struct.Struct(">2sQ")
_TIMES: Final = struct.Struct("<cQcQ")
_ROOT_SIZE: Final = _IDS.size + _TIMES.size
_TRACE, _ABOVE, _OWN = repeat(b"\x0a\x10"), repeat(b"\x22\x08"), repeat(b"\x12\x08")
"""Tag and length of a span's trace id, parent id and own id."""
_START, _END = repeat(b"\x39"), repeat(b"\x41")
Column = Sequence[int]
"""Of one value those of all requests."""


class Ids(NamedTuple):
    """Of requests."""

    high: Column
    """Upper halves of their trace ids."""
    low: Column
    span: Column
    parent: Column
    """0 where nobody called."""


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
        self._pieces = pieces

    def encode(
        self, ids: Ids, fields: Sequence[bytes], starts: Sequence[Column], ends: Sequence[Column], last: Column
    ) -> list[bytes]:
        """The spans of many requests, a piece for each, every span with its tag and length.

        Column by column, so that what is done for each request is done by C.

        Args:
            ids: of the requests.
            fields: of each root: everything but ids and times, encoded.
            starts: of each child those of all requests, ns since the epoch; the root begins with the first child.
            ends: the same.
            last: ends of the roots.
        """
        children = len(starts)
        heads = list(map(_FAMILY.pack, _TRACE, ids.high, ids.low, _ABOVE, ids.span, _OWN, ids.span))
        own = zip(*[LAST_BYTES[span & 255][:children] for span in ids.span], strict=True)
        arguments: list[Iterable[object]] = []
        for piece, number, start, end in zip(self._pieces, own, starts, ends, strict=False):
            arguments += (repeat(piece), heads, number, _START, start, _END, end)
        roots = map(_IDS.pack, _TRACE, ids.high, ids.low, _OWN, ids.span)
        above = [_PARENT.pack(b"\x22\x08", parent) if parent else b"" for parent in ids.parent]
        times = map(_TIMES.pack, _START, starts[0], _END, last)
        return [
            b"".join((prefixed(_ROOT_SIZE + len(over) + len(named)), root, over, at, named, below))
            for root, over, at, named, below in zip(
                roots, above, times, fields, map(self._pack, *arguments, repeat(self._pieces[-1])), strict=False
            )
        ]
