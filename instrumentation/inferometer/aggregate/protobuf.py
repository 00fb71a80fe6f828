"""Protobuf page: delimited ``io.prometheus.client.MetricFamily`` with native and classic histograms and exemplars.

Field numbers are those of Prometheus' ``io/prometheus/client/metrics.proto``.
"""

import struct
from itertools import accumulate
from typing import Final

from inferometer.aggregate.layout import Layout
from inferometer.aggregate.sample import Distribution, Exemplar, Family, Sample, Scalar, Snapshot
from inferometer.catalog.model import Series
from inferometer.catalog.sketch import SCHEMA
from inferometer.catalog.spans import EXEMPLAR_TRACE_ID

_TYPES: Final = {"counter": 0, "gauge": 1, "histogram": 4}
_HELD_IN: Final = {"counter": b"\x1a", "gauge": b"\x12"}
_DOUBLE: Final = struct.Struct("<d").pack
_INFINITY: Final = _DOUBLE(float("inf"))
_ZERO_THRESHOLD: Final = 2.0**-128
"""As other clients have it, so that histograms of different programs can be added."""
_SMALL: Final = tuple(bytes((n,)) if n < 128 else bytes((n & 127 | 128, n >> 7)) for n in range(1 << 14))  # noqa: PLR2004
_Key = tuple[str, tuple[str, ...]]


class ProtobufRenderer:
    """Renders snapshots; bytes of series that did not change since the last page are taken over."""

    def __init__(self) -> None:
        self._parts: dict[_Key, tuple[Sample, bytes]] = {}

    def render(self, snapshot: Snapshot) -> bytes:
        """The page. Safe in several threads at once: the cache is replaced, never changed in place."""
        known, made = self._parts, dict[_Key, tuple[Sample, bytes]]()
        out: list[bytes] = []
        for family in snapshot.families:
            metrics = []
            bounds = _bounds(family.layout)
            for sample in family.samples:
                key = family.entry.name, sample.labels
                cached = known.get(key)
                if cached is None or cached[0] is not sample:
                    cached = sample, _metric(family, sample, bounds)
                made[key] = cached
                metrics.append(cached[1])
            body = b"".join((_head(family.entry), *metrics))
            out += (varint(len(body)), body)
        self._parts = made
        return b"".join(out)


def varint(number: int) -> bytes:
    """A number >= 0, seven bits a byte."""
    if number < len(_SMALL):
        return _SMALL[number]
    out = bytearray()
    while number > 127:  # noqa: PLR2004 - the format's seven bits
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def zigzag(number: int) -> bytes:
    """A number of any sign."""
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


_DELTAS: Final = {n: b"\x68" + zigzag(n) for n in range(-512, 513)}
_HEADS: Final = tuple(b"\x1a" + varint(length) for length in range(256))
"""Tag and length of a bucket; none is longer, with an exemplar of ours."""


def _part(tag: bytes, body: bytes) -> bytes:
    return tag + varint(len(body)) + body


def _head(entry: Series) -> bytes:
    unit = _part(b"\x2a", entry.unit.value.encode()) if entry.unit else b""
    named = _part(b"\x0a", entry.name.encode()) + _part(b"\x12", entry.help.encode())
    return named + b"\x18" + varint(_TYPES[entry.kind]) + unit


def _pair(name: str, value: str) -> bytes:
    return _part(b"\x0a", _part(b"\x0a", name.encode()) + _part(b"\x12", value.encode()))


def _bounds(layout: Layout | None) -> list[bytes]:
    """The field ``upper_bound`` of every classic bucket."""
    if layout is None:
        return []
    return [*(b"\x11" + _DOUBLE(bound / layout.scale) for bound in layout.classic), b"\x11" + _INFINITY]


def _metric(family: Family, sample: Sample, bounds: list[bytes]) -> bytes:
    entry = family.entry
    labels = b"".join(_pair(n, v) for n, v in zip(entry.label_names, sample.labels, strict=True) if v)
    if isinstance(sample, Scalar):
        value = 0.0 if sample.birth is not None else sample.value / entry.scale
        return _part(b"\x22", labels + _part(_HELD_IN[entry.kind], b"\x09" + _DOUBLE(value)))
    assert family.layout is not None  # noqa: S101 - distributions come with a layout
    return _part(b"\x22", labels + _part(b"\x3a", _histogram(family.layout, sample, bounds)))


def _histogram(layout: Layout, sample: Distribution, bounds: list[bytes]) -> bytes:
    born = sample.birth is not None
    count, total, zero = (0, 0.0, 0) if born else (sample.count, sample.total / layout.scale, sample.zero)
    buckets = [0] * len(sample.classic) if born else accumulate(sample.classic)
    bodies = [b"\x08" + varint(number) + bound for number, bound in zip(buckets, bounds, strict=True)]
    if not born:
        for index, exemplar in sample.exemplars:
            bodies[index] += _part(b"\x1a", _exemplar(exemplar, layout.scale))
    out = [b"\x08", varint(count), b"\x11", _DOUBLE(total)]
    out += [_HEADS[len(body)] + body for body in bodies]
    out += (b"\x28", zigzag(SCHEMA), b"\x31", _DOUBLE(_ZERO_THRESHOLD), b"\x38", varint(zero))
    out += _native(layout.lowest, () if born else sample.sketch)
    return b"".join(out)


def _native(lowest: int, sketch: tuple[tuple[int, int], ...]) -> list[bytes]:
    """Positive spans and deltas; one empty span says "native" where there is no value yet."""
    spans: list[tuple[int, int]] = []
    deltas: list[bytes] = []
    start = end = previous = 0
    for index, number in sketch:
        at = index + lowest
        if not deltas or at != end:
            if deltas:
                spans.append((start, end))
            start = at
        end = at + 1
        delta = number - previous
        deltas.append(_DELTAS.get(delta) or b"\x68" + zigzag(delta))
        previous = number
    if deltas:
        spans.append((start, end))
    out = []
    last = 0
    for begin, stop in spans or [(0, 0)]:
        out.append(_part(b"\x62", b"\x08" + zigzag(begin - last) + b"\x10" + varint(stop - begin)))
        last = stop
    return out + deltas


def _exemplar(exemplar: Exemplar, scale: int) -> bytes:
    seconds, nanos = divmod(exemplar.wall_ns, 10**9)
    moment = b"\x08" + varint(seconds) + b"\x10" + varint(nanos)
    pair = _pair(EXEMPLAR_TRACE_ID, f"{exemplar.trace_id:032x}")
    return pair + b"\x11" + _DOUBLE(exemplar.value / scale) + _part(b"\x1a", moment)
