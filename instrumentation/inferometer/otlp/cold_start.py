"""A cold start to OTLP: a trace of its own, whose ids come from the worker's, so that a repeated export is the same."""

from collections.abc import Sequence
from typing import Final

from inferometer.catalog import spans
from inferometer.catalog.phases import IN_ORDER, Phase
from inferometer.otlp.fields import attribute, link, times
from inferometer.otlp.kept import Resource
from inferometer.otlp.span_ids import derived, span_bytes, trace_bytes
from inferometer.otlp.span_layout import GAP_NS, envelope
from inferometer.record.cold_start import ColdStart, PhaseRun
from inferometer.wire.varint import part

_INTERNAL: Final = b"\x30\x01"
_FIRST_CHILD: Final = 3
"""Derived ids 0 to 2 are the trace's and the root's."""


def cold_start_ids(worker_id: bytes) -> tuple[int, int]:
    """Trace id and root span id of a worker's cold start."""
    identity = int.from_bytes(worker_id[:8], "big")
    return derived(identity, 0) << 64 | derived(identity, 1), derived(identity, 2)


def encode_cold_start(start: ColdStart, resource: Resource, wall_offset_ns: int) -> tuple[bytes, int]:
    """A whole ``ExportTraceServiceRequest`` and its number of spans.

    Args:
        start: the cold start.
        resource: the process.
        wall_offset_ns: wall time minus CLOCK_MONOTONIC.
    """
    trace_id, root_id = cold_start_ids(start.worker_id)
    identity = int.from_bytes(start.worker_id[:8], "big")
    ids = [derived(identity, _FIRST_CHILD + index) for index in range(len(start.phases))]
    firsts = [run for run in start.phases if run.phase is Phase.FIRST_REQUEST and run.span_id]
    head = b"\x0a\x10" + trace_bytes(trace_id) + b"\x12\x08"
    root = b"".join((
        head, span_bytes(root_id), part(b"\x2a", spans.COLD_START_SPAN.encode()), _INTERNAL,
        times(start.start + wall_offset_ns, start.end + wall_offset_ns),
        attribute(spans.KEEP, True),  # noqa: FBT003 - the value of an attribute
        *(link(trace_bytes(run.trace_id), span_bytes(run.span_id)) for run in firsts),
    ))  # fmt: skip
    encoded = [root]
    for run, span_id in zip(start.phases, ids, strict=True):
        parent = _parent(run, start.phases, ids, root_id)
        encoded.append(head + span_bytes(span_id) + b"\x22\x08" + span_bytes(parent) + _body(run, wall_offset_ns))
    return envelope(resource, [part(b"\x12", span) for span in encoded]), len(encoded)


def _parent(run: PhaseRun, phases: Sequence[PhaseRun], ids: Sequence[int], root: int) -> int:
    """The phase that a model's load, or another part of a phase, lies in; the root of everything else."""
    if run.phase in IN_ORDER:
        return root
    around = (
        span_id
        for phase, span_id in zip(phases, ids, strict=True)
        if phase.phase in IN_ORDER and phase.start <= run.start and run.end <= phase.end
    )
    return next(around, root)


def _body(run: PhaseRun, offset: int) -> bytes:
    # A microsecond between siblings, as in traces of requests.
    end = max(run.end - GAP_NS, run.start)
    out = [
        part(b"\x2a", spans.phase_span(run.phase).encode()),
        _INTERNAL,
        times(run.start + offset, end + offset),
    ]
    if run.model:
        out.append(attribute(spans.MODEL_NAME, run.model))
    if run.span_id:
        out.append(link(trace_bytes(run.trace_id), span_bytes(run.span_id)))
    return b"".join(out)
