"""A kept record to OTLP: one SERVER span, a child per segment, a CLIENT span per outgoing attempt, its batch.

The bytes depend on the record alone: an export that is repeated is the same bytes with the same span ids. What is the
same in many traces (names, kinds, attributes of labels) is encoded once and kept as bytes; ids and times have a fixed
width, so one `struct` call per span writes them.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from inferometer.catalog import spans
from inferometer.catalog.jobs import JOB
from inferometer.catalog.rpc import GRPC, is_rpc_call, status_name
from inferometer.catalog.stages import FAILED, Kind, Outcome, Stage
from inferometer.otlp import rpc
from inferometer.otlp.fields import attribute, link, pair, texts, times
from inferometer.otlp.generation import token_fields
from inferometer.record.model import Batch, Call, Execute, Labels, Moment, RequestRecord
from inferometer.record.partition import MAX_SEGMENTS, Partition, Segment
from inferometer.wire.pod import Pod
from inferometer.wire.varint import part, varint

_INTERNAL: Final = b"\x30\x01"
_SERVER: Final = b"\x30\x02"
_CLIENT: Final = b"\x30\x03"
_CONSUMER: Final = b"\x30\x05"
_ERROR: Final = b"\x7a\x02\x18\x02"
_MASK: Final = (1 << 64) - 1
GAP_NS: Final = 1_000
"""Jaeger's critical path drops siblings that touch, and counts in microseconds."""
_CLIENT_ERROR: Final = 400
_SCOPE: Final = part(b"\x0a", part(b"\x0a", b"inferometer"))
_NO_ANSWER: Final = "no_answer"
_EXECUTE: Final = Stage.EXECUTE
CHILD: Final = struct.Struct("<37sBcQcQ")
"""trace id, parent id and all of its own id but the last byte (`family`), that byte, start and end"""
CHILD_SIZE: Final = CHILD.size
_PACK_CHILD: Final = CHILD.pack
_LONG: Final = 2048
_LENGTHS: Final = tuple(b"\x12" + varint(length) for length in range(_LONG))
"""The tag of ``ScopeSpans.spans`` and a span's length, for the usual ones."""
_MAX_SEGMENT_FIELDS: Final = 1024
_fields: Final[dict[int, bytes]] = {}
PICODOLLARS: Final = 10**12
MICROJOULES: Final = 10**6
NANOSECONDS: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """The process that a span comes from."""

    service: str
    host: str
    pid: int
    region: str = ""
    pod: Pod = field(default_factory=Pod)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """How a device was while a request executed on it; None where nobody read it."""

    device: str
    is_host: bool = False
    """A CPU host, whose utilization is not that of a GPU."""
    utilization: float | None = None
    """Mean, 0-1."""
    sm_clock_hertz: float | None = None
    """Mean."""
    temperature_celsius: float | None = None
    """The highest."""
    throttle_reasons: tuple[str, ...] = ()
    throttled_ns: int | None = None
    """Time of the run in which the device was held down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlay:
    """What a request cost and how its device was, as far as it is known; None where it is not."""

    device_ns: int | None = None
    cost_picodollars: int | None = None
    energy_microjoules: int | None = None
    method: str = ""
    """How device time was attributed; empty where it was not."""
    state: DeviceState | None = None
    """Of the device of its longest run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A record whose trace is kept, with all that its spans say."""

    record: RequestRecord
    partition: Partition
    resource: Resource
    wall_offset_ns: int
    """Wall time minus CLOCK_MONOTONIC, by the anchor of the record's frame."""
    reason: str
    """One of ``catalog.labels.KEEP_REASON``."""
    outlay: Outlay | None = None
    batches: Mapping[int, Batch] = field(default_factory=dict)
    """Batches of the record's executes, by id, as far as they are known."""


def trace_bytes(trace_id: int) -> bytes:
    """A trace id as OTLP writes it."""
    return trace_id.to_bytes(16, "big")


def span_bytes(span_id: int) -> bytes:
    """A span id as OTLP writes it."""
    return span_id.to_bytes(8, "big")


def derived(identity: int, index: int) -> int:
    """The id number *index* that belongs to *identity*: 64 bits, never 0, always the same (splitmix64)."""
    mixed = (identity + (index + 1) * 0x9E3779B97F4A7C15) & _MASK
    mixed = ((mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) & _MASK
    return (mixed ^ mixed >> 31) or 1


def batch_ids(batch_id: int) -> tuple[int, int]:
    """Trace id and span id of a batch's span."""
    return derived(batch_id, 0) << 64 | derived(batch_id, 1), derived(batch_id, 2)


LAST_BYTES: Final = tuple(bytes(last ^ (index + 1) for index in range(MAX_SEGMENTS)) for last in range(256))
"""Last bytes of the ids of a span's children, by the last byte of its own; the other seven are those of the parent.

Two spans of one trace that differ in their last byte only are as rare as two of 56 random bits that are the same.
"""


def encode_trace(kept: Kept) -> tuple[bytes, int]:
    """A whole ``ExportTraceServiceRequest`` and its number of spans; several of them joined are one again."""
    record, offset = kept.record, kept.wall_offset_ns
    trace, span_id = trace_bytes(record.trace_id), record.span_id
    root = root_span(
        trace,
        span_id,
        record.parent_id,
        (record.start + offset, record.end + offset),
        root_names(record.labels, record.outcome, record.status, kept.reason) + b"".join(_root_measures(kept)),
    )
    head = family(trace, span_id)
    encoded = [root, *_segments_of(kept, head)]
    for call in record.calls:
        if call.foreign:
            continue
        start = call.sent or call.start
        end = max(call.end - GAP_NS, start)
        encoded.append(child_span(head, call.call_id, start + offset, end + offset, b"".join(_client_fields(call))))
    encoded += [
        part(b"\x12", _batch(batch_id, kept))
        for batch_id in sorted({execute.batch_id for execute in record.executes if execute.batch_id})
    ]
    return envelope(kept.resource, encoded), len(encoded)


def envelope(resource: Resource, encoded: Iterable[bytes]) -> bytes:
    """A whole ``ExportTraceServiceRequest`` with the spans of one process, each with its tag and length."""
    return part(b"\x0a", _resource(resource) + part(b"\x12", _SCOPE + b"".join(encoded)))


_OF_POD: Final = (
    spans.K8S_NAMESPACE,
    spans.K8S_POD,
    spans.K8S_POD_UID,
    spans.K8S_NODE,
    spans.K8S_CONTAINER,
    spans.CONTAINER_ID,
)
"""Attributes of a pod, in the order of its texts."""


@lru_cache(maxsize=256)
def _resource(resource: Resource) -> bytes:
    pairs = [
        pair(spans.SERVICE_NAME, resource.service),
        pair(spans.HOST_NAME, resource.host),
        pair(spans.PROCESS_PID, resource.pid),
    ]
    if resource.region:
        pairs.append(pair(spans.REGION, resource.region))
    pairs += [pair(attribute, text) for attribute, text in zip(_OF_POD, resource.pod.texts, strict=True) if text]
    return part(b"\x0a", b"".join(part(b"\x0a", one) for one in pairs))


def _segments_of(kept: Kept, head: bytes) -> Iterator[bytes]:
    """The spans of a record's segments; what is written twice elsewhere for clarity is written out here for speed."""
    record, offset = kept.record, kept.wall_offset_ns
    calls = record.calls
    head += span_bytes(record.span_id)[:7]
    for segment, last in zip(kept.partition.segments, LAST_BYTES[record.span_id & 255], strict=False):
        start, end, stage, kind, merged = segment
        if calls and _replaced(segment, calls):
            continue
        fields = _fields.get(merged << 16 | stage << 8 | kind) or segment_fields(stage, kind, merged)
        if stage is _EXECUTE:
            fields += b"".join(_run_attributes(segment, kept))
        length = CHILD_SIZE + len(fields)
        start += offset
        end += offset - GAP_NS
        yield (
            (_LENGTHS[length] if length < _LONG else b"\x12" + varint(length))
            + _PACK_CHILD(head, last, b"\x39", start, b"\x41", end if end > start else start)  # noqa: FURB136 - a call costs more than the rest
            + fields
        )


def root_span(trace: bytes, span_id: int, parent_id: int, at: tuple[int, int], fields: bytes) -> bytes:
    """A request's own span, with its tag and length.

    Args:
        trace: id, 16 bytes.
        span_id: the request's.
        parent_id: the caller's attempt; 0 without one.
        at: start and end, ns since the epoch.
        fields: everything else, encoded.
    """
    ids = b"\x0a\x10" + trace + b"\x12\x08" + span_bytes(span_id)
    if parent_id:
        ids += b"\x22\x08" + span_bytes(parent_id)
    return part(b"\x12", ids + times(*at) + fields)


def family(trace: bytes, parent_id: int) -> bytes:
    """What all children of one span begin with."""
    return b"\x0a\x10" + trace + b"\x22\x08" + span_bytes(parent_id) + b"\x12\x08"


def prefixed(length: int) -> bytes:
    """What stands before a span of *length* bytes."""
    return _LENGTHS[length] if length < _LONG else b"\x12" + varint(length)


def child_span(head: bytes, span_id: int, start: int, end: int, fields: bytes) -> bytes:
    """A child of the span that *head* is the `family` of, with its tag and length; times in ns since the epoch."""
    own = span_bytes(span_id)
    return (
        prefixed(CHILD_SIZE + len(fields)) + _PACK_CHILD(head + own[:7], own[7], b"\x39", start, b"\x41", end) + fields
    )


def segment_fields(stage: int, kind: int, merged: int) -> bytes:
    """Name, kind and attributes of a segment's span, as far as they are the same in every trace."""
    key = merged << 16 | stage << 8 | kind
    fields = _fields.get(key)
    if fields is None:
        if len(_fields) >= _MAX_SEGMENT_FIELDS:
            _fields.clear()
        fields = _fields[key] = _segment_fields(Stage(stage), Kind(kind), merged)
    return fields


def _segment_fields(stage: Stage, kind: Kind, merged: int) -> bytes:
    fields = [part(b"\x2a", spans.stage_span(stage).encode()), _INTERNAL]
    if kind is not Kind.NONE:
        fields.append(attribute(spans.STAGE_KIND, kind.label))
    if merged > 1:
        fields.append(attribute(spans.STAGE_MERGED, merged))
    return b"".join(fields)


def _root_name(labels: Labels) -> str:
    if labels.method == GRPC:
        return rpc.span_name(labels.route)
    if labels.method == JOB:
        return labels.route
    return f"{labels.method} {labels.route}".strip() or labels.model or labels.service


@lru_cache(maxsize=4096)
def root_names(labels: Labels, outcome: Outcome, status: int, reason: str) -> bytes:
    """Name, kind, status and attributes of a request's span, as far as they are the same in many traces."""
    by_rpc = labels.method == GRPC
    is_job = labels.method == JOB
    fields = [part(b"\x2a", _root_name(labels).encode("utf-8", "replace")), _CONSUMER if is_job else _SERVER]
    by_http = not by_rpc and not is_job
    named = (
        (spans.HTTP_METHOD, labels.method if by_http else ""),
        (spans.HTTP_ROUTE, labels.route if by_http else ""),
        (spans.MODEL_NAME, labels.model),
        (spans.MODEL_VERSION, labels.version),
        (spans.TENANT, labels.tenant),
        (spans.CLASS, labels.request_class),
    )
    fields += [attribute(name, text) for name, text in named if text]
    if by_rpc:
        fields += rpc.fields(labels.route, status)
    elif status:
        fields.append(attribute(spans.HTTP_STATUS, status))
    fields.append(attribute(spans.OUTCOME, outcome.label))
    if outcome in FAILED:
        said = status_name(status) if by_rpc and status else str(status) if status >= _CLIENT_ERROR else outcome.label
        fields.append(attribute(spans.ERROR_TYPE, said))
        fields.append(_ERROR)
    fields.append(attribute(spans.KEEP, True))  # noqa: FBT003 - the value of an attribute
    fields.append(attribute(spans.KEEP_REASON, reason))
    return b"".join(fields)


def sizes(bytes_in: int, bytes_out: int) -> bytes:
    """Attributes of the bodies' sizes; none for an empty body."""
    request = _size(spans.HTTP_REQUEST_SIZE, bytes_in) if bytes_in else b""
    return request + _size(spans.HTTP_RESPONSE_SIZE, bytes_out) if bytes_out else request


_size: Final = lru_cache(maxsize=4096)(attribute)


def _root_measures(kept: Kept) -> Iterator[bytes]:
    record = kept.record
    yield sizes(record.bytes_in, record.bytes_out)
    if record.external_id:
        yield attribute(spans.EXTERNAL_ID, record.external_id)
    if record.proxy_wait_ns:
        yield attribute(spans.PROXY_WAIT, record.proxy_wait_ns / NANOSECONDS)
    first = record.first_chunk_ns
    if first is not None:
        yield attribute(spans.FIRST_CHUNK, first / NANOSECONDS)
    if record.tokens_in or record.tokens_out or record.stamps[Moment.FIRST_TOKEN]:
        yield from token_fields(record)
    if kept.outlay is not None:
        yield from _cost(kept.outlay)


def _cost(outlay: Outlay) -> Iterator[bytes]:
    scaled = (
        (spans.DEVICE_SECONDS, outlay.device_ns, NANOSECONDS),
        (spans.COST, outlay.cost_picodollars, PICODOLLARS),
        (spans.ENERGY, outlay.energy_microjoules, MICROJOULES),
    )
    for name, value, scale in scaled:
        if value is not None:
            yield attribute(name, value / scale)
    if outlay.method:
        yield attribute(spans.COST_METHOD, outlay.method)


def outlay_fields(outlay: Outlay) -> bytes:
    """What a request cost and how its device was, as attributes of one span."""
    state = () if outlay.state is None else (attribute(spans.DEVICE, outlay.state.device), *_device_state(outlay.state))
    return b"".join((*_cost(outlay), *state))


def _replaced(segment: Segment, calls: tuple[Call, ...]) -> bool:
    """Whether a CLIENT span stands in the place of a segment."""
    away = segment.stage is Stage.REMOTE or (segment.stage is Stage.NETWORK and segment.kind is Kind.TRANSIT)
    return away and any(call.start <= segment.start and segment.end <= call.end and not call.foreign for call in calls)


def _run_attributes(segment: Segment, kept: Kept) -> Iterator[bytes]:
    execute = _run_in(segment, kept.record.executes)
    if execute is None:
        return
    if execute.device:
        yield attribute(spans.DEVICE, execute.device)
    if execute.batch_id:
        yield attribute(spans.BATCH_SIZE, execute.batch_size)
        trace_id, span_id = batch_ids(execute.batch_id)
        yield link(trace_bytes(trace_id), span_bytes(span_id))
    if kept.outlay is not None and kept.outlay.state is not None and kept.outlay.state.device == execute.device:
        yield from _device_state(kept.outlay.state)


def _run_in(segment: Segment, executes: tuple[Execute, ...]) -> Execute | None:
    return next((run for run in executes if run.start < segment.end and segment.start < run.end), None)


def _device_state(state: DeviceState) -> Iterator[bytes]:
    throttled = None if state.throttled_ns is None else state.throttled_ns / NANOSECONDS
    known = (
        (spans.HOST_UTILIZATION if state.is_host else spans.GPU_UTILIZATION, state.utilization),
        (spans.GPU_SM_CLOCK, state.sm_clock_hertz),
        (spans.GPU_TEMPERATURE, state.temperature_celsius),
        (spans.THROTTLED, throttled),
    )
    for name, value in known:
        if value is not None:
            yield attribute(name, value)
    if state.throttle_reasons:
        yield texts(spans.GPU_THROTTLE, state.throttle_reasons)


def _client_fields(call: Call) -> Iterator[bytes]:
    """Of an outgoing attempt, whose span begins when a connection was there; the wait before it is a segment."""
    yield part(b"\x2a", (call.method or call.target or "call").encode("utf-8", "replace"))
    yield _CLIENT
    if call.target:
        yield attribute(spans.SERVER_ADDRESS, call.target)
    if is_rpc_call(call.method):
        failed = status_name(call.status) if call.status else "" if call.headers else _NO_ANSWER
        yield from rpc.fields(call.method, call.status if call.status or call.headers else None)
    else:
        failed = str(call.status) if call.status >= _CLIENT_ERROR else "" if call.status else _NO_ANSWER
        if call.method:
            yield attribute(spans.HTTP_METHOD, call.method)
        if call.status:
            yield attribute(spans.HTTP_STATUS, call.status)
        if call.attempt > 1:
            yield attribute(spans.HTTP_RESEND_COUNT, call.attempt - 1)
    if failed:
        yield attribute(spans.ERROR_TYPE, failed)
        yield _ERROR


def _batch(batch_id: int, kept: Kept) -> bytes:
    """The batch as a trace of its own, linked to the member that is kept."""
    record, offset = kept.record, kept.wall_offset_ns
    run = next(execute for execute in record.executes if execute.batch_id == batch_id)
    batch = kept.batches.get(batch_id)
    trace_id, span_id = batch_ids(batch_id)
    start, end = (batch.start, batch.end) if batch is not None else (run.start, run.end)
    out = [
        b"\x0a\x10",
        trace_bytes(trace_id),
        b"\x12\x08",
        span_bytes(span_id),
        part(b"\x2a", spans.BATCH_SPAN.encode()),
        _INTERNAL,
        times(start + offset, end + offset),
        attribute(spans.BATCH_SIZE, batch.size if batch is not None else run.batch_size),
        attribute(spans.MODEL_NAME, record.labels.model),
        attribute(spans.KEEP, True),  # noqa: FBT003 - the value of an attribute
        link(trace_bytes(record.trace_id), span_bytes(record.span_id)),
    ]
    if run.device:
        out.append(attribute(spans.DEVICE, run.device))
    if batch is not None:
        out.append(attribute(spans.BATCH_REASON, batch.reason))
    return b"".join(out)
