"""A kept record to OTLP: one SERVER span, a child per segment, a CLIENT span per outgoing attempt, its batch.

The bytes depend on the record alone: an export that is repeated is the same bytes with the same span ids.
"""

from collections.abc import Iterator
from typing import Final

from inferometer.catalog import spans
from inferometer.catalog.stages import Kind, Stage
from inferometer.otlp.fields import attribute, link
from inferometer.otlp.kept import Kept
from inferometer.otlp.span_fields import (
    ENCODED,
    INTERNAL,
    client_fields,
    device_state,
    root_measures,
    root_names,
    segment_fields,
)
from inferometer.otlp.span_ids import LAST_BYTES, batch_ids, derived, span_bytes, trace_bytes
from inferometer.otlp.span_layout import (
    CHILD,
    CHILD_SIZE,
    GAP_NS,
    LENGTHS,
    LONG,
    child_span,
    envelope,
    family,
    root_span,
)
from inferometer.record.model import Call, Execute
from inferometer.record.partition import Segment
from inferometer.wire.varint import part, varint

_pack_child: Final = CHILD.pack
_EXECUTE: Final = Stage.EXECUTE


def encode_trace(kept: Kept) -> tuple[bytes, int]:
    """A whole ``ExportTraceServiceRequest`` and its number of spans; several of them joined are one again."""
    record, offset = kept.record, kept.wall_offset_ns
    trace, span_id = trace_bytes(record.trace_id), record.span_id
    root = root_span(
        trace,
        span_id,
        record.parent_id,
        (record.start + offset, record.end + offset),
        root_names(record.labels, record.outcome, record.status, kept.reason) + b"".join(root_measures(kept)),
    )
    head = family(trace, span_id)
    encoded = [root, *_segments_of(kept, head)]
    for call in record.calls:
        if call.foreign:
            continue
        start = call.sent or call.start
        end = max(call.end - GAP_NS, start)
        encoded.append(child_span(head, call.call_id, start + offset, end + offset, b"".join(client_fields(call))))
    for batch_id in sorted({execute.batch_id for execute in record.executes if execute.batch_id}):
        encoded += _batch(batch_id, kept)
    return envelope(kept.resource, encoded), len(encoded)


def _segments_of(kept: Kept, head: bytes) -> Iterator[bytes]:
    """The spans of a record's segments; what is written twice elsewhere for clarity is written out here for speed."""
    record, offset = kept.record, kept.wall_offset_ns
    calls = record.calls
    head += span_bytes(record.span_id)[:7]
    for segment, last in zip(kept.partition.segments, LAST_BYTES[record.span_id & 255], strict=False):
        start, end, stage, kind, merged = segment
        if calls and _replaced(segment, calls):
            continue
        fields = ENCODED.get(merged << 16 | stage << 8 | kind) or segment_fields(stage, kind, merged)
        if stage is _EXECUTE:
            fields += b"".join(_run_attributes(segment, kept))
        length = CHILD_SIZE + len(fields)
        start += offset
        end += offset - GAP_NS
        yield (
            (LENGTHS[length] if length < LONG else b"\x12" + varint(length))
            + _pack_child(head, last, b"\x39", start, b"\x41", end if end > start else start)  # noqa: FURB136 - a call costs more than the rest
            + fields
        )


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
        yield from device_state(kept.outlay.state)


def _run_in(segment: Segment, executes: tuple[Execute, ...]) -> Execute | None:
    return next((run for run in executes if run.start < segment.end and segment.start < run.end), None)


def _batch(batch_id: int, kept: Kept) -> Iterator[bytes]:
    """The batch as a trace of its own, the same bytes from each of its members, and below it the member that is kept.

    A link belongs to the span of a member: a store that has one span per id, as Badger and Elasticsearch have, keeps of
    the batch what the last member said. Nor may a link stand first at a span without a parent: Jaeger's UI takes it for
    the parent, and gives up on the trace's critical path.
    """
    record, offset = kept.record, kept.wall_offset_ns
    run = next(execute for execute in record.executes if execute.batch_id == batch_id)
    batch = kept.batches.get(batch_id)
    trace_id, span_id = batch_ids(batch_id)
    trace = trace_bytes(trace_id)
    start, end = (batch.start, batch.end) if batch is not None else (run.start, run.end)
    out = [
        part(b"\x2a", spans.BATCH_SPAN.encode()),
        INTERNAL,
        attribute(spans.BATCH_SIZE, batch.size if batch is not None else run.batch_size),
        attribute(spans.MODEL_NAME, record.labels.model),
        attribute(spans.KEEP, True),  # noqa: FBT003 - the value of an attribute
    ]
    if run.device:
        out.append(attribute(spans.DEVICE, run.device))
    if batch is not None:
        out.append(attribute(spans.BATCH_REASON, batch.reason))
    yield root_span(trace, span_id, 0, (start + offset, end + offset), b"".join(out))
    member = [
        part(b"\x2a", spans.BATCH_MEMBER_SPAN.encode()),
        INTERNAL,
        link(trace_bytes(record.trace_id), span_bytes(record.span_id)),
    ]
    if record.labels.tenant:
        member.append(attribute(spans.TENANT, record.labels.tenant))
    at = run.start + offset, run.end + offset
    yield root_span(trace, derived(span_id, record.span_id), span_id, at, b"".join(member))
