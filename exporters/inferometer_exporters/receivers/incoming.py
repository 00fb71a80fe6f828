"""One request of spans as columns, beside the message that they came in; spans that are none are taken out of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from inferometer_exporters.columns.tables import Column, Columns, Ids, concatenate, take
from inferometer_exporters.receivers.alike import Alike, Shapes
from inferometer_exporters.receivers.engine_spans import NORMALIZERS
from inferometer_exporters.receivers.engine_spans.sglang import IN_BATCHES
from inferometer_exporters.receivers.facts import GENERATION, Alone, Facts
from inferometer_exporters.receivers.messages import SERVER, ExportTraceServiceRequest, ScopeSpans, Span, failed, wanted

MARKS: Final = tuple(
    sorted(
        {one.mark for one in NORMALIZERS if one.mark}
        | {name.encode() for one in NORMALIZERS for name in one.inner}
        | IN_BATCHES
    )
)
"""What bodies are searched for, before any span of them is looked at."""
_NAMED: Final = tuple(one for one in NORMALIZERS if not one.mark)
_WANTED: Final = frozenset[str]().union(*(one.names for one in NORMALIZERS if one.alone is not None))
"""Attributes of those who look at no other span than the one that they are asked about."""
_TRACE_BYTES: Final = 16
_SPAN_BYTES: Final = 8
_NO_PARENT: Final = bytes(_SPAN_BYTES)
_NO_TRACE: Final = bytes(_TRACE_BYTES)
_MOST_KIND: Final = 127
"""What is above, or below 0, is no kind that anybody has; protobuf hands it over as it came."""
LATEST_NS: Final = 1 << 62
"""In the year 2116; what is later is no time of a span."""
WHY: Final = "a span needs a trace id of 16 bytes, a span id of 8, neither of them zero, and times in ns since 1970"


@dataclass(frozen=True, slots=True)
class Group:
    """Spans of one request that follow each other and have resource and scope in common."""

    resource: int
    """Index of ``message.resource_spans``."""
    scope: str
    """Name of the library that made them."""
    count: int


@dataclass(slots=True)
class Incoming:
    """What one request brought."""

    message: ExportTraceServiceRequest
    spans: Sequence[Span]
    """Of the message, in its order."""
    groups: Sequence[Group]
    columns: Columns
    """``trace_hi``, ``trace_lo``, ``span_id``, ``parent_id``, ``wall_ns``, ``duration_ns``, ``kind``, by span."""
    size: int
    """Bytes of the request before it was decoded."""
    rejected: int
    """Spans that were taken out."""
    near: bool
    """Whether it came from this host: what its resources do not say of the host is known."""
    port: str
    """Value of the label ``port``."""
    marks: frozenset[bytes] | None = None
    """Which of `MARKS` are in its body; None: nobody looked."""
    generated: Mapping[int, Facts] = field(default_factory=dict)
    """Of SERVER spans, by their place: what they say themselves, where no other span is to be asked."""
    came_ns: int = field(default=0)
    """CLOCK_MONOTONIC, when it was taken into a pass."""


def shapes() -> Shapes:
    """For `incoming`: shapes of spans of generative models."""
    return Shapes(_WANTED)


def incoming(
    message: ExportTraceServiceRequest,
    size: int,
    *,
    near: bool,
    port: str,
    body: bytes | None = None,
    known: Shapes | None = None,
) -> Incoming:
    """Columns of a request; modifies *message* where it holds spans that are none.

    Args:
        message: the request.
        size: of its body.
        near: whether it came from this host.
        port: value of the label ``port``.
        body: as protobuf; None: it was another format, in which names may be written otherwise.
        known: shapes of spans of earlier bodies.
    """
    spans, groups = _spans(message)
    marks = None if body is None else frozenset(mark for mark in MARKS if mark in body)
    generates = marks is not None and GENERATION.mark in marks
    alike = known.alike(body, len(spans)) if generates and known is not None and body is not None else []
    columns, rejected = _columns_of(alike, spans), 0
    if columns is None:
        # One by one: most bodies have nothing that is wrong.
        spans, groups, rejected = _valid(message)
        columns, alike = _columns(spans) or {}, []
    # Now, while the message is in the processor's cache: a pass later this takes twice the time.
    told = _generated(spans, columns, alike) if generates else {}
    return Incoming(message, spans, groups, columns, size, rejected, near, port, marks, told)


def _generated(spans: Sequence[Span], columns: Columns, alike: Sequence[Alike]) -> dict[int, Facts]:
    found: dict[int, Facts] = {}
    # Spans of one body have few names, if anybody counts them.
    owners: dict[str, Alone | None] = {}
    served = columns["kind"] == SERVER
    for group in alike:
        alone = _owner(owners, group.shape.name)
        served[group.at] = False
        if group.shape.kind != SERVER or alone is None:
            continue
        places, starts = group.at.tolist(), columns["wall_ns"][group.at].tolist()
        for index, start, said in zip(places, starts, group.shape.attributes(group.rows), strict=True):
            facts = alone(said, group.shape.failed, start)
            if facts is not None:
                found[index] = facts
    others = np.flatnonzero(served)
    for index, start in zip(others.tolist(), columns["wall_ns"][others].tolist(), strict=True):
        span = spans[index]
        alone = _owner(owners, span.name)
        facts = None if alone is None else alone(wanted(span, _WANTED), failed(span), start)
        if facts is not None:
            found[index] = facts
    return found


def _owner(owners: dict[str, Alone | None], name: str) -> Alone | None:
    """Who knows what spans of a name say, without looking at others."""
    if name not in owners:
        owners[name] = next((one for one in _NAMED if one.called(name)), GENERATION).alone
    return owners[name]


def _spans(message: ExportTraceServiceRequest) -> tuple[list[Span], list[Group]]:
    spans: list[Span] = []
    groups: list[Group] = []
    for index, resource in enumerate(message.resource_spans):
        for scope in resource.scope_spans:
            before = len(spans)
            spans.extend(scope.spans)
            groups.append(Group(index, scope.scope.name, len(spans) - before))
    return spans, groups


def _valid(message: ExportTraceServiceRequest) -> tuple[list[Span], list[Group], int]:
    spans: list[Span] = []
    groups: list[Group] = []
    rejected = 0
    for index, resource in enumerate(message.resource_spans):
        for scope in resource.scope_spans:
            of_scope = list(scope.spans)
            if not all(map(_is_valid, of_scope)):
                valid = [span for span in of_scope if _is_valid(span)]
                rejected += len(of_scope) - len(valid)
                of_scope = _replaced(scope, valid)
            spans += of_scope
            groups.append(Group(index, scope.scope.name, len(of_scope)))
    return spans, groups, rejected


def _is_valid(span: Span) -> bool:
    trace, own = span.trace_id, span.span_id
    return (
        len(trace) == _TRACE_BYTES
        and len(own) == _SPAN_BYTES
        and own != _NO_PARENT
        and trace != _NO_TRACE
        and len(span.parent_span_id) in {0, _SPAN_BYTES}
        and 0 < span.start_time_unix_nano < LATEST_NS
        and span.end_time_unix_nano < LATEST_NS
    )


def _replaced(scope: ScopeSpans, valid: Sequence[Span]) -> list[Span]:
    kept = ScopeSpans()
    kept.spans.extend(valid)
    del scope.spans[:]
    scope.spans.extend(kept.spans)
    return list(scope.spans)


def _columns_of(alike: Sequence[Alike], spans: Sequence[Span]) -> Columns | None:
    """Columns of spans; None where one of them is not what `_is_valid` asks for."""
    if sum(len(group.at) for group in alike) != len(spans) or not alike:
        return _columns(spans)
    parts = concatenate(group.shape.columns(group.rows) for group in alike)
    order = np.argsort(np.concatenate([group.at for group in alike]))
    parts = take(parts, order)
    return _checked(parts)


def _columns(spans: Sequence[Span]) -> Columns | None:
    """The same of spans that are objects."""
    traces, own = [span.trace_id for span in spans], [span.span_id for span in spans]
    parents = [span.parent_span_id or _NO_PARENT for span in spans]
    if not ({*map(len, traces)} <= {_TRACE_BYTES} and {*map(len, own), *map(len, parents)} <= {_SPAN_BYTES}):
        return None
    ids = np.frombuffer(b"".join(traces), ">u8").reshape(-1, 2).astype(np.uint64)
    return _checked(
        {
            "trace_hi": ids[:, 0],
            "trace_lo": ids[:, 1],
            "span_id": _ids(own),
            "parent_id": _ids(parents),
            "start": np.array([span.start_time_unix_nano for span in spans], np.uint64),
            "end": np.array([span.end_time_unix_nano for span in spans], np.uint64),
            "kind": _kinds([span.kind for span in spans]),
        }
    )


def _checked(columns: Columns) -> Columns | None:
    start, end = columns.pop("start"), columns.pop("end")
    traced = (columns["trace_hi"] | columns["trace_lo"]).all() and columns["span_id"].all()
    if not (traced and ((start > 0) & (start < LATEST_NS) & (end < LATEST_NS)).all()):
        return None
    start = start.astype(np.int64)
    # A clock that was set back makes no negative time.
    return columns | {"wall_ns": start, "duration_ns": np.maximum(end.astype(np.int64) - start, 0)}


def _kinds(told: list[int]) -> Column:
    kinds = np.array(told, np.int32)
    return np.where((kinds >= 0) & (kinds <= _MOST_KIND), kinds, 0).astype(np.uint8)


def _ids(parts: list[bytes]) -> Ids:
    return np.frombuffer(b"".join(parts), ">u8").astype(np.uint64)
