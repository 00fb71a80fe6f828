"""Protobuf page: delimited ``io.prometheus.client.MetricFamily`` with native and classic histograms and exemplars.

Field numbers are those of Prometheus' ``io/prometheus/client/metrics.proto``.
"""

from typing import Final, NamedTuple

from inferometer.aggregate.protobuf_histogram import DOUBLE, ExemplarFields, bounds, histogram
from inferometer.aggregate.sample import Buckets, Distribution, Family, Plain, Sample, Scalar, Snapshot
from inferometer.catalog.model import Series
from inferometer.wire.varint import part, varint

_TYPES: Final = {"counter": 0, "gauge": 1, "histogram": 4}
_HELD_IN: Final = {"counter": b"\x1a", "gauge": b"\x12"}
_Key = tuple[str, tuple[str, ...]]


class _Shown(NamedTuple):
    """What the last page had of a series."""

    sample: Sample
    encoded: bytes
    labels: bytes
    exemplars: ExemplarFields


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
            upper = bounds(family.layout)
            for sample in family.samples:
                key = family.entry.name, sample.labels
                shown = known.get(key)
                if shown is None or shown.sample is not sample:
                    shown = _shown(family, sample, upper, shown)
                made[key] = shown
                metrics.append(shown.encoded)
            body = b"".join((_head(family.entry), *metrics))
            out += (varint(len(body)), body)
        self._shown = made
        return b"".join(out)


def _head(entry: Series) -> bytes:
    unit = part(b"\x2a", entry.unit.value.encode()) if entry.unit else b""
    named = part(b"\x0a", entry.name.encode()) + part(b"\x12", entry.help.encode())
    return named + b"\x18" + varint(_TYPES[entry.kind]) + unit


def _pair(name: str, value: str) -> bytes:
    return part(b"\x0a", part(b"\x0a", name.encode()) + part(b"\x12", value.encode()))


def _labels(entry: Series, values: tuple[str, ...]) -> bytes:
    return b"".join(_pair(name, value) for name, value in zip(entry.label_names, values, strict=True) if value)


def _shown(family: Family, sample: Sample, upper: list[bytes], before: _Shown | None) -> _Shown:
    labels = _labels(family.entry, sample.labels) if before is None else before.labels
    if isinstance(sample, Distribution):
        assert family.layout is not None  # noqa: S101 - distributions come with a layout
        body, exemplars = histogram(family.layout, sample, upper, before.exemplars if before is not None else {})
        return _Shown(sample, part(b"\x22", labels + part(b"\x3a", body)), labels, exemplars)
    return _Shown(sample, part(b"\x22", labels + _value(family.entry, sample)), labels, {})


def _value(entry: Series, sample: Scalar | Plain | Buckets) -> bytes:
    if isinstance(sample, Buckets):
        return part(b"\x3a", _classic(sample))
    if sample.birth is not None:
        value = 0.0
    else:
        value = sample.value if isinstance(sample, Plain) else sample.value / entry.scale
    return part(_HELD_IN[entry.kind], b"\x09" + DOUBLE(value))


def _classic(sample: Buckets) -> bytes:
    """A histogram that somebody else keeps; it has no native form."""
    born = sample.birth is not None
    limits = (*sample.bounds, float("inf"))
    numbers = [0] * len(limits) if born else [round(number) for number in (*sample.cumulative, sample.count)]
    # The format has no histogram without a sum: where nobody knows it, it is no number and not 0.
    total = 0.0 if born else float("nan") if sample.total is None else sample.total
    buckets = (
        part(b"\x1a", b"\x08" + varint(number) + b"\x11" + DOUBLE(bound))
        for number, bound in zip(numbers, limits, strict=True)
    )
    return b"".join((b"\x08", varint(numbers[-1]), b"\x11", DOUBLE(total), *buckets))
