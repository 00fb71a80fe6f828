"""Pages of a sidecar as samples of any time, pushed into a Prometheus by its remote-write protocol.

`promtool tsdb create-blocks-from openmetrics` cannot make native histograms, which boards read percentiles from; remote
write can, and takes samples of the past. A page is taken in the form in which Prometheus scrapes it (protobuf), so that
names, labels and histograms are those that the sidecar really shows.
"""

import struct
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from inferometer.wire.varint import part, varint

_DOUBLE: Final = struct.Struct("<d")
_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
"""Wire types: a number, eight bytes, a length and as many bytes."""
_CHUNK: Final = 1 << 16
_LITERAL_64K: Final = b"\xf4"
"""Snappy: a literal whose length less one follows in two bytes."""

Labels = tuple[tuple[str, str], ...]
"""Pairs of a series, sorted by name, its own name among them."""
Sample = tuple[bytes, int]
"""The body of a message without its time, and the number of its field in a series."""

SAMPLE: Final = 2
EXEMPLAR: Final = 3
HISTOGRAM: Final = 4
_WITH_EXEMPLAR: Final = 40
"""Bytes: a bucket has a bound and a count, and is longer only where it has an exemplar with its trace id."""
_TIME_TAGS: Final = {SAMPLE: b"\x10", EXEMPLAR: b"\x18", HISTOGRAM: b"\x78"}
"""Tag of a message's timestamp: field 2 of a sample, 3 of an exemplar, 15 of a histogram."""


def labels_of(name: str, pairs: Mapping[str, str]) -> Labels:
    """Labels of a series; an empty value is no label."""
    return tuple(sorted({**{key: value for key, value in pairs.items() if value}, "__name__": name}.items()))


def number(value: float) -> Sample:
    """A plain sample."""
    return b"\x09" + _DOUBLE.pack(value), SAMPLE


class Page:
    """Reads pages of one target; what did not change since the last one is taken over."""

    def __init__(self, target: Mapping[str, str]) -> None:
        self._target = dict(target)
        self._known: dict[tuple[str, bytes], list[tuple[Labels, Sample]]] = {}

    def samples(self, page: bytes) -> Iterator[tuple[Labels, Sample]]:
        """Every series of a delimited page of ``io.prometheus.client.MetricFamily``, with its sample."""
        known, self._known = self._known, {}
        at = 0
        while at < len(page):
            size, at = _read_varint(page, at)
            fields = list(_fields(page[at : at + size]))
            at += size
            name = next(body for number, body in fields if number == 1).decode()
            for metric in (body for number, body in fields if number == 4):  # noqa: PLR2004 - field `metric`
                key = name, metric
                made = known.get(key)
                if made is None:
                    made = list(self._metric(name, metric))
                self._known[key] = made
                yield from made

    def _metric(self, name: str, metric: bytes) -> Iterator[tuple[Labels, Sample]]:
        fields = list(_fields(metric))
        pairs = dict(_pair(body) for number, body in fields if number == 1) | self._target
        for kind, body in fields:
            if kind in {2, 3}:  # gauge, counter
                ((_, value),) = ((n, v) for n, v in _fields(body) if n == 1)
                yield labels_of(name, pairs), (b"\x09" + value, SAMPLE)
            elif kind == 7:  # noqa: PLR2004 - field `histogram`
                yield from _histogram(name, pairs, body)


def _histogram(name: str, pairs: Mapping[str, str], body: bytes) -> Iterator[tuple[Labels, Sample]]:
    """Count and sum, and the native form where there is one, else the classic buckets."""
    fields = list(_fields(body))
    by_number = {number: value for number, value in fields if number not in {3, 12, 13}}
    count, total = _unpacked(by_number.get(1, b"\x00")), by_number[2]
    yield labels_of(f"{name}_count", pairs), number(count)
    yield labels_of(f"{name}_sum", pairs), (b"\x09" + total, SAMPLE)
    spans = [value for number, value in fields if number == 12]  # noqa: PLR2004 - field `positive_span`
    exemplars = []
    for bucket in (value for number, value in fields if number == 3):  # noqa: PLR2004 - field `bucket`
        if spans and len(bucket) < _WITH_EXEMPLAR:
            # Boards and rules read the native form where there is one: the classic one is three quarters of a page.
            continue
        of = dict(_fields(bucket))
        if spans:
            exemplars.append(_exemplar(of[3]))
            continue
        (bound,) = _DOUBLE.unpack(of[2])
        series = labels_of(f"{name}_bucket", {**pairs, "le": "+Inf" if bound == float("inf") else f"{bound:g}"})
        yield series, number(_unpacked(of.get(1, b"\x00")))
    if spans:
        deltas = [value for number, value in fields if number == 13]  # noqa: PLR2004 - field `positive_delta`
        native = [b"\x08", varint(count), b"\x19", total, b"\x20", by_number[5], b"\x29", by_number[6]]
        native += [b"\x30", by_number.get(7, b"\x00"), *(part(b"\x5a", span) for span in spans)]
        native += [b"\x60" + delta for delta in deltas]
        yield labels_of(name, pairs), (b"".join(native), HISTOGRAM)
        yield from ((labels_of(name, pairs), exemplar) for exemplar in exemplars)


def _exemplar(body: bytes) -> Sample:
    """With a time of its own, which stands for that of the page."""
    of = list(_fields(body))
    pairs = b"".join(part(b"\x0a", value) for number, value in of if number == 1)
    (value,) = (value for number, value in of if number == 2)  # noqa: PLR2004 - field `value`
    moment = dict(_fields(next(value for number, value in of if number == 3)))  # noqa: PLR2004 - field `timestamp`
    milliseconds = _unpacked(moment.get(1, b"\x00")) * 1000 + _unpacked(moment.get(2, b"\x00")) // 10**6
    return pairs + b"\x11" + value + b"\x18" + varint(milliseconds), EXEMPLAR


def _pair(body: bytes) -> tuple[str, str]:
    of = dict(_fields(body))
    return of[1].decode(), of.get(2, b"").decode()


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    if data[at] < 128:  # noqa: PLR2004 - most numbers have one byte
        return data[at], at + 1
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:  # noqa: PLR2004 - the last byte
            return value, at
        shift += 7


def _unpacked(data: bytes) -> int:
    return _read_varint(data, 0)[0]


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(number, raw value) of each field of a message."""
    at = 0
    while at < len(data):
        tag, begin = _read_varint(data, at)
        kind = tag & 7
        if kind == _BYTES:
            size, begin = _read_varint(data, begin)
            at = begin + size
        elif kind == _FIXED64:
            at = begin + 8
        elif kind == _VARINT:
            _, at = _read_varint(data, begin)
        else:
            raise ValueError(f"wire type {kind} is not read here")
        yield tag >> 3, data[begin:at]


class Writer:
    """Collects samples, and pushes them in the order of their time.

    Args:
        url: of a Prometheus that was started with ``--web.enable-remote-write-receiver``.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url}/api/v1/write"
        self._series: dict[Labels, list[bytes]] = {}
        self.samples = 0
        """Pushed so far."""

    def add(self, at_ms: int, samples: Iterable[tuple[Labels, Sample]]) -> None:
        """Samples of one moment; exemplars keep their own."""
        times = {kind: tag + varint(at_ms) for kind, tag in _TIME_TAGS.items()} | {EXEMPLAR: b""}
        for labels, (body, kind) in samples:
            encoded = part(bytes([kind << 3 | _BYTES]), body + times[kind])
            held = self._series.setdefault(labels, [])
            if kind != EXEMPLAR or encoded not in held:
                held.append(encoded)
                self.samples += 1

    def add_all(self, samples: Iterable[tuple[int, Labels, Sample]]) -> None:
        """Samples of many moments, those of each series in the order of their time."""
        for at_ms, labels, sample in samples:
            self.add(at_ms, [(labels, sample)])

    def push(self) -> None:
        """Send everything that was collected.

        Raises:
            OSError: it is not accepted.
        """
        out = []
        for labels, samples in self._series.items():
            pairs = (
                part(b"\x0a", part(b"\x0a", name.encode()) + part(b"\x12", value.encode())) for name, value in labels
            )
            out.append(part(b"\x0a", b"".join((*pairs, *samples))))
        self._series = {}
        headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
        headers |= {"X-Prometheus-Remote-Write-Version": "0.1.0"}
        request = urllib.request.Request(self._url, _snappy(b"".join(out)), headers)  # noqa: S310 - our own server
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own server
            answer.read()


def _snappy(data: bytes) -> bytes:
    """Snappy's block format, of literals only: the protocol wants the format, a loopback no compression."""
    out = [varint(len(data))]
    for at in range(0, len(data), _CHUNK):
        chunk = data[at : at + _CHUNK]
        out += (_LITERAL_64K, (len(chunk) - 1).to_bytes(2, "little"), chunk)
    return b"".join(out)
