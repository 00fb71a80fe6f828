"""A kept record to OTLP: one SERVER span, a child per segment, a CLIENT span per outgoing attempt, its batch.

The bytes depend on the record alone: an export that is repeated is the same bytes with the same span ids.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from inferometer.catalog import spans
from inferometer.catalog.stages import FAILED, Kind, Stage
from inferometer.otlp.fields import attribute, link, pair, part, texts, times
from inferometer.record.model import Batch, Call, Execute, RequestRecord
from inferometer.record.partition import Partition, Segment

_INTERNAL: Final = b"\x30\x01"
_SERVER: Final = b"\x30\x02"
_CLIENT: Final = b"\x30\x03"
_ERROR: Final = b"\x7a\x02\x18\x02"
_MASK: Final = (1 << 64) - 1
_GAP_NS: Final = 1_000
"""Jaeger's critical path drops siblings that touch, and counts in microseconds."""
_CLIENT_ERROR: Final = 400
_SCOPE: Final = part(b"\x0a", part(b"\x0a", b"inferometer"))
_NO_ANSWER: Final = "no_answer"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlay:
    """What a request cost and how its device was, as far as it is known; None where it is not."""

    device_ns: int | None = None
    cost_picodollars: int | None = None
    energy_microjoules: int | None = None
    method: str = ""
    """How device time was attributed; empty where it was not."""
    gpu_utilization: float | None = None
    gpu_sm_clock_hertz: float | None = None
    gpu_throttle_reasons: tuple[str, ...] = ()


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


def encode_trace(kept: Kept) -> tuple[bytes, int]:
    """A whole ``ExportTraceServiceRequest`` and its number of spans; several of them joined are one again."""
    encoded = [part(b"\x12", span) for span in _spans(kept)]
    scope_spans = part(b"\x12", _SCOPE + b"".join(encoded))
    return part(b"\x0a", _resource(kept.resource) + scope_spans), len(encoded)


def _resource(resource: Resource) -> bytes:
    pairs = [
        pair(spans.SERVICE_NAME, resource.service),
        pair(spans.HOST_NAME, resource.host),
        pair(spans.PROCESS_PID, resource.pid),
    ]
    if resource.region:
        pairs.append(pair(spans.REGION, resource.region))
    return part(b"\x0a", b"".join(part(b"\x0a", one) for one in pairs))


def _spans(kept: Kept) -> Iterator[bytes]:
    record, offset = kept.record, kept.wall_offset_ns
    trace = b"\x0a\x10" + trace_bytes(record.trace_id)
    head = trace + b"\x12\x08"
    parent = b"\x22\x08" + span_bytes(record.span_id)
    yield b"".join((
        head,
        span_bytes(record.span_id),
        b"\x22\x08" + span_bytes(record.parent_id) if record.parent_id else b"",
        part(b"\x2a", _root_name(record).encode("utf-8", "replace")),
        _SERVER,
        times(record.start + offset, record.end + offset),
        *_root_attributes(kept),
        _ERROR if record.outcome in FAILED else b"",
    ))  # fmt: skip
    for index, segment in enumerate(kept.partition.segments):
        if _replaced(segment, record.calls):
            continue
        yield b"".join((
            head,
            span_bytes(derived(record.span_id, index)),
            parent,
            part(b"\x2a", spans.stage_span(segment.stage).encode()),
            _INTERNAL,
            times(segment.start + offset, max(segment.end - _GAP_NS, segment.start) + offset),
            *_segment_attributes(segment, kept),
        ))  # fmt: skip
    for call in record.calls:
        yield head + span_bytes(call.call_id) + parent + _client(call, offset)
    for batch_id in sorted({execute.batch_id for execute in record.executes if execute.batch_id}):
        yield _batch(batch_id, kept)


def _root_name(record: RequestRecord) -> str:
    labels = record.labels
    return f"{labels.method} {labels.route}".strip() or labels.model or labels.service


def _root_attributes(kept: Kept) -> Iterator[bytes]:
    record = kept.record
    labels = record.labels
    named = (
        (spans.HTTP_METHOD, labels.method),
        (spans.HTTP_ROUTE, labels.route),
        (spans.MODEL_NAME, labels.model),
        (spans.MODEL_VERSION, labels.version),
        (spans.TENANT, labels.tenant),
        (spans.CLASS, labels.request_class),
    )
    for name, text in named:
        if text:
            yield attribute(name, text)
    measured = (
        (spans.HTTP_STATUS, record.status),
        (spans.HTTP_REQUEST_SIZE, record.bytes_in),
        (spans.HTTP_RESPONSE_SIZE, record.bytes_out),
    )
    for name, number in measured:
        if number:
            yield attribute(name, number)
    yield attribute(spans.OUTCOME, record.outcome.label)
    if record.outcome in FAILED:
        said = record.status >= _CLIENT_ERROR
        yield attribute(spans.ERROR_TYPE, str(record.status) if said else record.outcome.label)
    yield attribute(spans.KEEP, True)  # noqa: FBT003 - the value of an attribute
    yield attribute(spans.KEEP_REASON, kept.reason)
    if record.first_chunk_ns is not None:
        yield attribute(spans.FIRST_CHUNK, record.first_chunk_ns / NANOSECONDS)
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


def _replaced(segment: Segment, calls: tuple[Call, ...]) -> bool:
    """Whether a CLIENT span stands in the place of a segment."""
    away = segment.stage is Stage.REMOTE or (segment.stage is Stage.NETWORK and segment.kind is Kind.TRANSIT)
    return away and any(call.start <= segment.start and segment.end <= call.end for call in calls)


def _segment_attributes(segment: Segment, kept: Kept) -> Iterator[bytes]:
    if segment.kind is not Kind.NONE:
        yield attribute(spans.STAGE_KIND, segment.kind.label)
    if segment.merged > 1:
        yield attribute(spans.STAGE_MERGED, segment.merged)
    execute = _run_in(segment, kept.record.executes) if segment.stage is Stage.EXECUTE else None
    if execute is None:
        return
    if execute.device:
        yield attribute(spans.DEVICE, execute.device)
    if execute.batch_id:
        yield attribute(spans.BATCH_SIZE, execute.batch_size)
        trace_id, span_id = batch_ids(execute.batch_id)
        yield link(trace_bytes(trace_id), span_bytes(span_id))
    if kept.outlay is not None:
        yield from _device_state(kept.outlay)


def _run_in(segment: Segment, executes: tuple[Execute, ...]) -> Execute | None:
    return next((run for run in executes if run.start < segment.end and segment.start < run.end), None)


def _device_state(outlay: Outlay) -> Iterator[bytes]:
    if outlay.gpu_utilization is not None:
        yield attribute(spans.GPU_UTILIZATION, outlay.gpu_utilization)
    if outlay.gpu_sm_clock_hertz is not None:
        yield attribute(spans.GPU_SM_CLOCK, outlay.gpu_sm_clock_hertz)
    if outlay.gpu_throttle_reasons:
        yield texts(spans.GPU_THROTTLE, outlay.gpu_throttle_reasons)


def _client(call: Call, offset: int) -> bytes:
    """An outgoing attempt, from the moment a connection was there; the wait before it is a segment."""
    start = call.sent or call.start
    out = [
        part(b"\x2a", (call.method or call.target or "call").encode("utf-8", "replace")),
        _CLIENT,
        times(start + offset, max(call.end - _GAP_NS, start) + offset),
    ]
    if call.method:
        out.append(attribute(spans.HTTP_METHOD, call.method))
    if call.target:
        out.append(attribute(spans.SERVER_ADDRESS, call.target))
    if call.status:
        out.append(attribute(spans.HTTP_STATUS, call.status))
    if call.status >= _CLIENT_ERROR or not call.status:
        out += (attribute(spans.ERROR_TYPE, str(call.status) if call.status else _NO_ANSWER), _ERROR)
    return b"".join(out)


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
