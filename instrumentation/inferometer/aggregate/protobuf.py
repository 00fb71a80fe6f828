"""Protobuf page: delimited ``io.prometheus.client.MetricFamily`` with native and classic histograms and exemplars.

Field numbers are those of Prometheus' ``io/prometheus/client/metrics.proto``.
"""

import struct
from collections.abc import Mapping
from functools import lru_cache
from itertools import accumulate
from operator import sub
from typing import Final, NamedTuple

from inferometer.aggregate.layout import Layout
from inferometer.aggregate.sample import Buckets, Distribution, Exemplar, Family, Plain, Sample, Scalar, Snapshot
from inferometer.catalog.model import Series
from inferometer.catalog.sketch import SCHEMA
from inferometer.catalog.spans import EXEMPLAR_TRACE_ID
from inferometer.wire.varint import SMALL, part, varint, zigzag

_TYPES: Final = {"counter": 0, "gauge": 1, "histogram": 4}
_HELD_IN: Final = {"counter": b"\x1a", "gauge": b"\x12"}
_DOUBLE: Final = struct.Struct("<d").pack
_INFINITY: Final = _DOUBLE(float("inf"))
_ZERO_THRESHOLD: Final = 2.0**-128
"""As other clients have it, so that histograms of different programs can be added."""
_Key = tuple[str, tuple[str, ...]]


class _Shown(NamedTuple):
    """What the last page had of a series."""

    sample: Sample
    encoded: bytes
    labels: bytes


class ProtobufRenderer:
    """Renders snapshots; bytes of series that did not change since the last page are taken over."""

    def __init__(self) -> None:
        self._shown: dict[_Key, _Shown] = {}

    def render(self, snapshot: Snapshot) -> bytes:
        """The page. Safe in several threads at once: the cache is replaced, never changed in place."""
        known, made = self._shown, dict[_Key, _Shown]()
        out: list[bytes] = []
        for family in snapshot.families:
            metrics = []
            bounds = _bounds(family.layout)
            for sample in family.samples:
                key = family.entry.name, sample.labels
                shown = known.get(key)
                if shown is None or shown.sample is not sample:
                    labels = _labels(family.entry, sample.labels) if shown is None else shown.labels
                    shown = _Shown(sample, _metric(family, sample, labels, bounds), labels)
                made[key] = shown
                metrics.append(shown.encoded)
            body = b"".join((_head(family.entry), *metrics))
            out += (varint(len(body)), body)
        self._shown = made
        return b"".join(out)


_DELTAS: Final = {n: b"\x68" + zigzag(n) for n in range(-512, 513)}
_DENSE: Final = 2
_ONE_BYTE: Final = 128
_TWO_BYTES: Final = len(SMALL)
_HEAD_1: Final = b"\x1a\x0b\x08"
_HEAD_2: Final = b"\x1a\x0c\x08"
"""Tag and length of a bucket, tag of its count: for counts of one byte, and of two."""


def _head(entry: Series) -> bytes:
    unit = part(b"\x2a", entry.unit.value.encode()) if entry.unit else b""
    named = part(b"\x0a", entry.name.encode()) + part(b"\x12", entry.help.encode())
    return named + b"\x18" + varint(_TYPES[entry.kind]) + unit


def _pair(name: str, value: str) -> bytes:
    return part(b"\x0a", part(b"\x0a", name.encode()) + part(b"\x12", value.encode()))


def _bounds(layout: Layout | None) -> list[bytes]:
    """The field ``upper_bound`` of every classic bucket."""
    if layout is None:
        return []
    return [*(b"\x11" + _DOUBLE(bound / layout.scale) for bound in layout.classic), b"\x11" + _INFINITY]


def _labels(entry: Series, values: tuple[str, ...]) -> bytes:
    return b"".join(_pair(name, value) for name, value in zip(entry.label_names, values, strict=True) if value)


def _metric(family: Family, sample: Sample, labels: bytes, bounds: list[bytes]) -> bytes:
    entry = family.entry
    if isinstance(sample, Plain):
        value = 0.0 if sample.birth is not None else sample.value
        return part(b"\x22", labels + part(_HELD_IN[entry.kind], b"\x09" + _DOUBLE(value)))
    if isinstance(sample, Buckets):
        return part(b"\x22", labels + part(b"\x3a", _classic(sample)))
    if isinstance(sample, Scalar):
        value = 0.0 if sample.birth is not None else sample.value / entry.scale
        return part(b"\x22", labels + part(_HELD_IN[entry.kind], b"\x09" + _DOUBLE(value)))
    assert family.layout is not None  # noqa: S101 - distributions come with a layout
    return part(b"\x22", labels + part(b"\x3a", _histogram(family.layout, sample, bounds)))


def _histogram(layout: Layout, sample: Distribution, bounds: list[bytes]) -> bytes:
    born = sample.birth is not None
    count, total, zero = (0, 0.0, 0) if born else (sample.count, sample.total / layout.scale, sample.zero)
    cumulative = [0] * len(sample.classic) if born else list(accumulate(sample.classic))
    # Two bytes are a count below 16,384: the usual bucket is three pieces joined.
    buckets = [
        _HEAD_1 + SMALL[number] + bound
        if number < _ONE_BYTE
        else _HEAD_2 + SMALL[number] + bound
        if number < _TWO_BYTES
        else part(b"\x1a", b"\x08" + varint(number) + bound)
        for number, bound in zip(cumulative, bounds, strict=True)
    ]
    if not born:
        for index, exemplar in sample.exemplars:
            body = b"\x08" + varint(cumulative[index]) + bounds[index]
            buckets[index] = part(b"\x1a", body + part(b"\x1a", _exemplar(exemplar, layout.scale)))
    out = [b"\x08", varint(count), b"\x11", _DOUBLE(total), *buckets]
    out += (b"\x28", zigzag(SCHEMA), b"\x31", _DOUBLE(_ZERO_THRESHOLD), b"\x38", varint(zero))
    out += _native(layout.lowest, {} if born else sample.sketch)
    return b"".join(out)


def _classic(sample: Buckets) -> bytes:
    """A histogram that somebody else keeps; it has no native form."""
    born = sample.birth is not None
    bounds = (*sample.bounds, float("inf"))
    numbers = [0] * len(bounds) if born else [round(number) for number in (*sample.cumulative, sample.count)]
    # The format has no histogram without a sum: where nobody knows it, it is no number and not 0.
    total = 0.0 if born else float("nan") if sample.total is None else sample.total
    buckets = (
        part(b"\x1a", b"\x08" + varint(number) + b"\x11" + _DOUBLE(bound))
        for number, bound in zip(numbers, bounds, strict=True)
    )
    return b"".join((b"\x08", varint(numbers[-1]), b"\x11", _DOUBLE(total), *buckets))


def _native(lowest: int, sketch: Mapping[int, int]) -> list[bytes]:
    """Positive spans and deltas; one empty span says "native" where there is no value yet."""
    stretches = _stretches(sorted(sketch))
    numbers = [sketch.get(place, 0) for begin, stop in stretches for place in range(begin, stop)]
    known = _DELTAS
    deltas = [known[delta] if delta in known else b"\x68" + zigzag(delta) for delta in map(sub, numbers, (0, *numbers))]
    out = []
    last = 0
    for begin, stop in stretches:
        out.append(part(b"\x62", b"\x08" + zigzag(begin + lowest - last) + b"\x10" + varint(stop - begin)))
        last = stop + lowest
    return (out or [part(b"\x62", b"\x08\x00\x10\x00")]) + deltas


def _stretches(places: list[int]) -> list[tuple[int, int]]:
    """Stretches that hold all places, as (first, one past the last).

    An empty bucket costs a byte or two and a further stretch four: where less than half is empty, one is enough.
    """
    if not places:
        return []
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


@lru_cache(maxsize=8192)
def _exemplar(exemplar: Exemplar, scale: int) -> bytes:
    seconds, nanos = divmod(exemplar.wall_ns, 10**9)
    moment = b"\x08" + varint(seconds) + b"\x10" + varint(nanos)
    pair = _pair(EXEMPLAR_TRACE_ID, f"{exemplar.trace_id:032x}")
    return pair + b"\x11" + _DOUBLE(exemplar.value / scale) + part(b"\x1a", moment)
