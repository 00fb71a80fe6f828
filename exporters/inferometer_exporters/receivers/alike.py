"""Spans of one body that have one shape: a body of an engine's requests has few, and each is read as columns."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inferometer_exporters.columns.tables import Ints
from inferometer_exporters.receivers.protobuf import CutError, cut, field_at
from inferometer_exporters.receivers.span_shape import Bytes, Shape, shape_of

FEWEST: Final = 8
"""Spans of one size for which a shape is worth while."""
MOST_NEW: Final = 16
"""Shapes that one body may add; spans that each are written otherwise are read one by one."""
MOST_OF_SIZE: Final = 8
MOST_SIZES: Final = 512
"""Sizes whose shapes are kept in mind."""
_RESOURCE, _SCOPE, _SPANS = 1, 2, 2
"""``resource_spans``, ``scope_spans``, ``spans``."""
_SPAN_TAG: Final = _SPANS << 3 | 2
_MORE: Final = 0x80
_BITS: Final = 7


@dataclass(frozen=True, slots=True)
class Alike:
    """Spans of one shape."""

    shape: Shape
    at: Ints
    """Their places among the spans of the body."""
    rows: Bytes
    """Their bytes."""


class Shapes:
    """Knows shapes of earlier bodies; used by one thread.

    Args:
        wanted: attributes that somebody looks at.
    """

    def __init__(self, wanted: frozenset[str]) -> None:
        self._wanted = wanted
        self._known: dict[int, list[Shape]] = {}

    def alike(self, body: bytes, count: int) -> list[Alike]:
        """Spans of *body* that have a shape in common with others; none is in two groups.

        Args:
            body: an ``ExportTraceServiceRequest``.
            count: of its spans, as protobuf's decoder found them.
        """
        if count < FEWEST:
            return []
        places = _places(body)
        if len(places) != count:
            return []
        by_size: dict[int, list[int]] = {}
        for place, (begin, end) in enumerate(places):
            by_size.setdefault(end - begin, []).append(place)
        found: list[Alike] = []
        new = MOST_NEW
        for size, of_size in by_size.items():
            if len(of_size) < FEWEST:
                continue
            rows = np.frombuffer(b"".join([body[places[at][0] : places[at][1]] for at in of_size]), np.uint8)
            new -= self._of_size(found, np.array(of_size, np.int64), rows.reshape(-1, size), new)
        return found

    def _of_size(self, found: list[Alike], at: Ints, rows: Bytes, new: int) -> int:
        """Add groups of spans of one size; how many shapes were looked for that were not known."""
        known = self._known.get(rows.shape[1], ())
        for shape in known:
            at, rows = _fitting(found, shape, at, rows)
            if len(at) < FEWEST:
                return 0
        looked = 0
        while len(at) >= FEWEST and looked < new:
            looked += 1
            made = shape_of(rows[0].tobytes(), self._wanted)
            if made is None:
                # It may be the only one of them.
                at, rows = at[1:], rows[1:]
                continue
            self._keep(rows.shape[1], made)
            at, rows = _fitting(found, made, at, rows)
        return looked

    def _keep(self, size: int, shape: Shape) -> None:
        if len(self._known) >= MOST_SIZES:
            self._known.clear()
        known = self._known.setdefault(size, [])
        known.append(shape)
        # The oldest may be those of a program that has gone.
        del known[:-MOST_OF_SIZE]


def _fitting(found: list[Alike], shape: Shape, at: Ints, rows: Bytes) -> tuple[Ints, Bytes]:
    """Add a group of the *rows* that have a shape; the others."""
    fits = shape.fits(rows)
    if fits.all():
        found.append(Alike(shape, at, rows))
        return at[:0], rows[:0]
    if fits.any():
        found.append(Alike(shape, at[fits], rows[fits]))
    return at[~fits], rows[~fits]


def _places(body: bytes) -> list[tuple[int, int]]:
    """Where the spans of a body lie; empty where that is not as OTLP has it."""
    found: list[tuple[int, int]] = []
    try:
        for resource in cut(body, 0, len(body)):
            if resource.number != _RESOURCE:
                continue
            for scope in cut(body, resource.begin, resource.end):
                if scope.number == _SCOPE:
                    _add_spans(found, body, scope.begin, scope.end)
    except CutError:
        return []
    return found


def _add_spans(found: list[tuple[int, int]], body: bytes, at: int, end: int) -> None:
    while at < end:
        # A span of 128 bytes to 16 KiB, as most are, without a function for it.
        if body[at] == _SPAN_TAG and at + 2 < end and body[at + 1] >= _MORE > body[at + 2]:
            begin = at + 3
            at = begin + (body[at + 1] & (_MORE - 1) | body[at + 2] << _BITS)
            if at > end:
                raise CutError("a span is cut short")
            found.append((begin, at))
            continue
        one = field_at(body, at, end)
        if one.number == _SPANS:
            found.append((one.begin, one.end))
        at = one.end
