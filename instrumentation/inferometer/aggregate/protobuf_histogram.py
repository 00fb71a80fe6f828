"""A histogram as protobuf: classic buckets with exemplars, and the native form.

A page of a thousand histograms is a quarter of a million small fields. So a field is looked up and not made, and rows
of them are joined by functions that run in C: what Python itself does is a few steps per histogram and per exemplar.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import accumulate
from operator import sub
from typing import Final

from inferometer.aggregate.layout import Layout
from inferometer.aggregate.sample import Distribution, Exemplar
from inferometer.catalog.sketch import SCHEMA
from inferometer.catalog.spans import EXEMPLAR_TRACE_ID
from inferometer.wire.varint import part, varint, zigzag

DOUBLE: Final = struct.Struct("<d").pack
_INFINITY: Final = DOUBLE(float("inf"))
_BOUND: Final = 9
"""Bytes of the field ``upper_bound``."""
_TAG_AND_LENGTH: Final = 2
"""Bytes before the count of a bucket without exemplar."""
_ZERO_THRESHOLD: Final = 2.0**-128
"""As other clients have it, so that histograms of different programs can be added."""
_NATIVE: Final = b"\x28" + zigzag(SCHEMA) + b"\x31" + DOUBLE(_ZERO_THRESHOLD) + b"\x38"
"""Schema and threshold, and the tag of the number of zeros."""
_DENSE: Final = 2
_MAX_FIELDS: Final = 2_048
"""Fields that are kept of each kind; counts of a page repeat, and the differences of neighbours are small."""

ExemplarFields = Mapping[int, tuple[Exemplar, bytes]]
"""By bucket: most exemplars outlive many pages."""
_NONE: Final[ExemplarFields] = {}


class _Fields(dict[int, bytes]):
    """A field by its number, made when it is first asked for."""

    def __init__(self, make: Callable[[int], bytes]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, number: int) -> bytes:
        field = self._make(number)
        if len(self) < _MAX_FIELDS:
            self[number] = field
        return field


def _counted(number: int) -> bytes:
    count = b"\x08" + varint(number)
    return b"\x1a" + varint(len(count) + _BOUND) + count


_counts: Final = _Fields(_counted).__getitem__
"""What stands before the bound of a bucket without exemplar: tag, length, and the cumulative count."""
_deltas: Final = _Fields(lambda number: b"\x68" + zigzag(number)).__getitem__
_LABEL: Final = part(b"\x0a", EXEMPLAR_TRACE_ID.encode()) + b"\x12\x20"
_TRACE: Final = b"\x0a" + varint(len(_LABEL) + 32) + _LABEL
"""An exemplar's label up to its value: a trace id of 32 digits."""


def bounds(layout: Layout | None) -> list[bytes]:
    """The field ``upper_bound`` of every classic bucket."""
    if layout is None:
        return []
    return [*(b"\x11" + DOUBLE(bound / layout.scale) for bound in layout.classic), b"\x11" + _INFINITY]


def histogram(
    layout: Layout, sample: Distribution, upper: list[bytes], known: ExemplarFields = _NONE
) -> tuple[bytes, ExemplarFields]:
    """A histogram's message, and its exemplars for the next page.

    Args:
        layout: of its family.
        sample: what is shown; one that is just born shows 0.
        upper: as `bounds` gives them.
        known: exemplars of the last page.
    """
    born = sample.birth is not None
    count, total, zero = (0, 0.0, 0) if born else (sample.count, sample.total / layout.scale, sample.zero)
    cumulative = [0] * len(upper) if born else list(accumulate(sample.classic))
    counts = list(map(_counts, cumulative))
    buckets = [b""] * (2 * len(upper))
    buckets[::2], buckets[1::2] = counts, upper
    fields = _NONE
    if sample.exemplars and not born:
        fields = _exemplars(sample.exemplars, known, layout.scale)
        for index, (_, field) in fields.items():
            number = counts[index][_TAG_AND_LENGTH:]
            buckets[2 * index] = b"\x1a" + varint(len(number) + _BOUND + len(field)) + number
            buckets[2 * index + 1] += field
    named = b"\x08" + varint(count) + b"\x11" + DOUBLE(total)
    return b"".join(
        (named, *buckets, _NATIVE, varint(zero), *_native(layout.lowest, {} if born else sample.sketch))
    ), fields


def _exemplars(shown: Iterable[tuple[int, Exemplar]], known: ExemplarFields, scale: int) -> ExemplarFields:
    fields = {}
    for index, exemplar in shown:
        before = known.get(index)
        same = before is not None and before[0] is exemplar
        fields[index] = before if before is not None and same else (exemplar, _exemplar(exemplar, scale))
    return fields


def _exemplar(exemplar: Exemplar, scale: int) -> bytes:
    seconds, nanos = divmod(exemplar.wall_ns, 10**9)
    moment = _second(seconds) + varint(nanos)
    body = b"%b%032x\x11%b\x1a%c%b" % (
        _TRACE, exemplar.trace_id, DOUBLE(exemplar.value / scale), len(moment), moment,
    )  # fmt: skip
    return part(b"\x1a", body)


@lru_cache(maxsize=1024)
def _second(seconds: int) -> bytes:
    """The field ``seconds`` of a moment, and the tag of ``nanos``."""
    return b"\x08" + varint(seconds) + b"\x10"


def _native(lowest: int, sketch: Mapping[int, int]) -> Iterable[bytes]:
    """Positive spans and deltas; one empty span says "native" where there is no value yet."""
    if not sketch:
        return [part(b"\x62", b"\x08\x00\x10\x00")]
    places = sorted(sketch)
    first = places[0]
    # Filled one by one: to ask for each number of a range takes twice as long, and two thirds of them are there.
    numbers = [0] * (places[-1] + 1 - first)
    for place, number in sketch.items():
        numbers[place - first] = number
    spans: list[bytes] = []
    deltas: list[bytes] = []
    last = before = 0
    for begin, stop in _stretches(places):
        spans.append(part(b"\x62", b"\x08" + zigzag(begin + lowest - last) + b"\x10" + varint(stop - begin)))
        last = stop + lowest
        row = numbers[begin - first : stop - first]
        deltas += map(_deltas, map(sub, row, (before, *row)))
        before = row[-1]
    return spans + deltas


def _stretches(places: list[int]) -> list[tuple[int, int]]:
    """Stretches that hold all places, as (first, one past the last).

    An empty bucket costs a byte or two and a further stretch four: where less than half is empty, one is enough.
    """
    first, end = places[0], places[-1] + 1
    if end - first <= _DENSE * len(places):
        return [(first, end)]
    found = []
    previous = first - 1
    for place in places:
        if place != previous + 1:
            found.append((first, previous + 1))
            first = place
        previous = place
    return [*found, (first, end)]
