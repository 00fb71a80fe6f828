"""Traces of eight spans to OTLP bytes, 64 to an export: ours against OpenTelemetry's protobuf encoder, interleaved.

Ours twice: from a record (what failed, slow and rare requests go through), and by the template that usual requests
share. The peer encodes eight finished spans with the same names, ids, times and attributes; all three are read back
and compared before anything is timed.

    python benchmarks/encode.py [--rounds 15] [--traces 1000]
"""

import argparse
import gc
import statistics
import time
from collections.abc import Callable

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource as OtelResource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from inferometer.catalog.stages import Outcome
from inferometer.otlp import Kept, Resource, encode_trace
from inferometer.otlp.span_fields import root_names, segment_fields, sizes
from inferometer.otlp.span_layout import GAP_NS, envelope
from inferometer.otlp.template import Ids, TraceTemplate
from inferometer.record.model import Flag, Labels, Moment, RequestRecord
from inferometer.record.partition import partition

SPANS = 8
BATCH = 64
"""Traces per export."""
BEGIN = 10**12
OFFSET = 17 * 10**17
MS = 10**6
LABELS = Labels(service="embedder", model="minilm", version="v2", tenant="acme", method="POST", route="/v1/embeddings")
RESOURCE = Resource(service="embedder", host="node-17", pid=4242)


def record(number: int) -> RequestRecord:
    """A request with seven segments, none of the same length as another's."""
    stamps = [0] * len(Moment)
    at = BEGIN + number * MS
    for place, moment in enumerate((1, 2, 3, 4, 6, 8, 9, 12)):
        stamps[moment] = at + place * (MS + number % 7)
    stamps[Moment.DONE] = stamps[Moment.LAST] + 5
    return RequestRecord(
        trace_id=number << 64 | 0x1234_5678_9ABC_DEF0,
        span_id=0xABCD_0000_0000_0000 + number,
        parent_id=0x77,
        labels=LABELS,
        stamps=tuple(stamps),
        outcome=Outcome.OK,
        status=200,
        flags=Flag.ENTRY,
        bytes_in=84,
        bytes_out=60,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--traces", type=int, default=1024, help="per round")
    arguments = parser.parse_args()
    kept = [
        Kept(record=one, partition=partition(one), resource=RESOURCE, wall_offset_ns=OFFSET, reason="baseline")
        for one in map(record, range(1, arguments.traces + 1))
    ]
    # What the lane has at hand when it encodes: a template, ids, starts and ends.
    template = TraceTemplate([segment_fields(s.stage, s.kind, 1) for s in kept[0].partition.segments])
    root = root_names(LABELS, Outcome.OK, 200, "baseline")
    rows = [(one.record, one.partition.segments) for one in kept]
    starts = [tuple(s.start + OFFSET for s in segments) for _, segments in rows]
    ends = [tuple(max(s.start, s.end - GAP_NS) + OFFSET for s in segments) for _, segments in rows]
    theirs = [readable(encode_trace(one)[0]) for one in kept]

    parts = [slice(at, at + BATCH) for at in range(0, arguments.traces, BATCH)]
    ids = [
        Ids(
            high=[r.trace_id >> 64 for r, _ in rows[part]],
            low=[r.trace_id & (1 << 64) - 1 for r, _ in rows[part]],
            span=[r.span_id for r, _ in rows[part]],
            parent=[r.parent_id for r, _ in rows[part]],
        )
        for part in parts
    ]
    columns = {
        part.start: (own, list(zip(*starts[part], strict=True)), list(zip(*ends[part], strict=True)))
        for part, own in zip(parts, ids, strict=True)
    }
    last = [r.end + OFFSET for r, _ in rows]

    def by_template(part: slice) -> bytes:
        own, begun, ended = columns[part.start]
        named = [root + sizes(84, 60) for _ in own.span]
        return envelope(RESOURCE, template.encode(own, named, begun, ended, last[part]))

    cases: dict[str, Callable[[slice], bytes]] = {
        "OpenTelemetry's protobuf encoder": lambda part: encode_spans(
            [span for spans in theirs[part] for span in spans]
        ).SerializeToString(),
        "ours, from a record": lambda part: b"".join([encode_trace(one)[0] for one in kept[part]]),
        "ours, by template": by_template,
    }
    pages = {name: work(parts[0]) for name, work in cases.items()}
    read = {name: spans_of(page) for name, page in pages.items()}
    if len({str(found) for found in read.values()}) != 1 or len(next(iter(read.values()))) != SPANS * BATCH:
        parser.exit(1, "the encoders do not say the same\n")
    times: dict[str, list[float]] = {name: [] for name in cases}
    gc.disable()
    for _ in range(arguments.rounds):
        for name, work in cases.items():
            begin = time.thread_time_ns()
            for part in parts:
                work(part)
            times[name].append((time.thread_time_ns() - begin) / arguments.traces / 1000)
    peer = statistics.median(next(iter(times.values())))
    print(f"a trace of {SPANS} spans, {BATCH} to an export, medians of {arguments.rounds} rounds, CPU of the thread")
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name:36} {median:8.2f} µs  {len(pages[name]) // BATCH:5d} bytes  {peer / median:6.1f} times faster")


def readable(data: bytes) -> list[ReadableSpan]:
    """The spans of an export as the OpenTelemetry SDK has them when they are finished."""
    (resource,) = ExportTraceServiceRequest.FromString(data).resource_spans
    owner = OtelResource({pair.key: value(pair.value) for pair in resource.resource.attributes})
    return [
        ReadableSpan(
            name=span.name,
            context=context(span.trace_id, span.span_id),
            parent=context(span.trace_id, span.parent_span_id),
            resource=owner,
            attributes={pair.key: value(pair.value) for pair in span.attributes},
            kind=SpanKind.SERVER if span.kind == 2 else SpanKind.INTERNAL,
            start_time=span.start_time_unix_nano,
            end_time=span.end_time_unix_nano,
        )
        for span in resource.scope_spans[0].spans
    ]


def context(trace_id: bytes, span_id: bytes) -> SpanContext:
    return SpanContext(int.from_bytes(trace_id), int.from_bytes(span_id), is_remote=False, trace_flags=TraceFlags(1))


def value(any_value):
    return getattr(any_value, any_value.WhichOneof("value"))


def spans_of(data: bytes) -> list[tuple[object, ...]]:
    """What an export says, in an order and a form that do not depend on the encoder."""
    return sorted(
        (
            span.span_id, span.trace_id, span.parent_span_id, span.name, span.kind, span.start_time_unix_nano,
            span.end_time_unix_nano, str(sorted((pair.key, str(value(pair.value))) for pair in span.attributes)),
        )
        for resource in ExportTraceServiceRequest.FromString(data).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    )  # fmt: skip


if __name__ == "__main__":
    main()
