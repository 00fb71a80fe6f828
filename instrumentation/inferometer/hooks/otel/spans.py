"""Our spans in the user's pipeline: made from a finished record, by the flusher's thread, with the ids they have."""

import threading
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from typing import Any, Final
from weakref import WeakKeyDictionary

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from inferometer.catalog import spans
from inferometer.catalog.labels import KEEP_REASON
from inferometer.catalog.stages import FAILED
from inferometer.hooks.otel.joined import Joined
from inferometer.otlp.encode import encode_trace
from inferometer.otlp.kept import Kept, Resource
from inferometer.otlp.read import ReadSpan, read_spans
from inferometer.record.model import Batch, RequestRecord
from inferometer.record.partition import partition
from inferometer.version import VERSION

_SCOPE: Final = "inferometer"
_KINDS: Final = {1: SpanKind.INTERNAL, 2: SpanKind.SERVER, 3: SpanKind.CLIENT}
_MAX_BATCHES: Final = 1024
# Keeping is up to the user's sampler; only of what failed we know that it is worth it.
_OF_KEEPING: Final = (spans.KEEP.name, spans.KEEP_REASON.name)
_FAILED: Final = KEEP_REASON.values[1]


class Ids:
    """The ids that spans are to have, where a tracer asks a generator for them."""

    def __init__(self, bits: Callable[[int], int]) -> None:
        self._bits = bits
        self._next = threading.local()

    def give(self, trace_id: int, span_id: int) -> None:
        """The next span of this thread has these ids; the trace id counts where it has no parent."""
        self._next.ids = trace_id, span_id

    def generate_trace_id(self) -> int:
        """Of the next span without a parent."""
        return self._given()[0] or self._bits(128)

    def generate_span_id(self) -> int:
        """Of the next span."""
        span_id = self._given()[1] or self._bits(64)
        self._next.ids = 0, 0
        return span_id

    def is_trace_id_random(self) -> bool:
        """Ours are, in all their bits."""
        return True

    def _given(self) -> tuple[int, int]:
        return getattr(self._next, "ids", (0, 0))


class Spans:
    """Makes spans through the user's tracers.

    Args:
        bits: ``bits(n)`` is a random integer of n bits.
    """

    def __init__(self, bits: Callable[[int], int]) -> None:
        self._ids = Ids(bits)
        self._tracers: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
        self._batches: dict[int, None] = {}

    def tracer(self, source: Any) -> Any:
        """A tracer of ours into the pipeline of *source*, a provider or one of its tracers; it takes ids from us."""
        found = self._tracers.get(source)
        if found is None:
            found = source.get_tracer(_SCOPE, VERSION) if hasattr(source, "get_tracer") else source
            if hasattr(found, "id_generator"):
                found = copy(found)
                found.id_generator = self._ids
                _name_scope(found)
            self._tracers[source] = found
        return found

    def server(self, joined: Joined, ids: tuple[int, int], context: Context, start_ns: int, method: str) -> Any:
        """Begin the SERVER span of a request that nobody else makes one of.

        Args:
            joined: of the request; its tracer is used.
            ids: trace and span id.
            context: whose current span is the parent.
            start_ns: ns since the epoch.
            method: of HTTP, as far as it is known; samplers look at it.
        """
        tracer = self.tracer(joined.tracer)
        self._ids.give(*ids)
        attributes = {spans.HTTP_METHOD.name: method} if method else None
        return tracer.start_span(
            method or "request", context=context, kind=SpanKind.SERVER, attributes=attributes, start_time=start_ns
        )

    def write(self, joined: Joined, record: RequestRecord, offset_ns: int, batches: Mapping[int, Batch]) -> None:
        """Make the spans of a finished request below its SERVER span, within that one's time.

        Args:
            joined: its span and tracer.
            record: of the request.
            offset_ns: wall time minus CLOCK_MONOTONIC.
            batches: that are known, by id.
        """
        parent = joined.span
        if parent is None:
            return
        kept = Kept(
            record=record, partition=partition(record), resource=Resource(service="", host="", pid=0),
            wall_offset_ns=offset_ns, reason=_FAILED, batches=batches,
        )  # fmt: skip
        root, *children = read_spans(encode_trace(kept)[0])
        if record.outcome not in FAILED:
            for name in _OF_KEEPING:
                root.attributes.pop(name, None)
        self._children(joined, parent, record, children)
        if joined.ours:
            parent.update_name(root.name)
            parent.set_attributes(root.attributes)
            if root.failed:
                parent.set_status(Status(StatusCode.ERROR))
            parent.end(end_time=root.end_ns)

    def _children(self, joined: Joined, parent: Any, record: RequestRecord, children: Iterable[ReadSpan]) -> None:
        tracer = self.tracer(joined.tracer)
        within = trace.set_span_in_context(parent, Context())
        low = getattr(parent, "start_time", None) or 0
        high = getattr(parent, "end_time", None) or (1 << 63)
        for span in children:
            if span.trace_id != record.trace_id:
                self._batch(tracer, span, parent)
            elif span.start_ns < high and span.end_ns > low:
                start, end = max(span.start_ns, low), min(span.end_ns, high)
                self._make(tracer, span, within, start, end)

    def _batch(self, tracer: Any, span: ReadSpan, member: Any) -> None:
        """The span of a batch, once, however many of its members are sampled, and below it one of each of these."""
        if span.parent_id:
            context = member.get_span_context()
            span.links = [(context.trace_id, context.span_id)]
            batch = NonRecordingSpan(_context(span.trace_id, span.parent_id))
            self._make(tracer, span, trace.set_span_in_context(batch, Context()), span.start_ns, span.end_ns)
            return
        if span.span_id in self._batches:
            return
        self._batches[span.span_id] = None
        if len(self._batches) > _MAX_BATCHES:
            del self._batches[next(iter(self._batches))]
        span.attributes.pop(spans.KEEP.name, None)
        self._make(tracer, span, Context(), span.start_ns, span.end_ns)

    def _make(self, tracer: Any, span: ReadSpan, context: Context, start_ns: int, end_ns: int) -> None:
        self._ids.give(span.trace_id, span.span_id)
        made = tracer.start_span(
            span.name, context=context, kind=_KINDS[span.kind], attributes=span.attributes,
            links=[_link(*ids) for ids in span.links], start_time=start_ns,
        )  # fmt: skip
        if span.failed:
            made.set_status(Status(StatusCode.ERROR))
        made.end(end_time=max(start_ns, end_ns))


def _link(trace_id: int, span_id: int) -> Link:
    return Link(_context(trace_id, span_id))


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _name_scope(tracer: Any) -> None:
    """Say that spans are ours, in the copy of somebody's tracer."""
    scope = getattr(tracer, "_instrumentation_scope", None)
    if scope is not None:
        tracer._instrumentation_scope = type(scope)(_SCOPE, VERSION)  # noqa: SLF001 - there is no public way


def is_heard(source: Any) -> bool:
    """Whether anybody listens to the spans of a provider, a tracer or a span; a provider may have no processor.

    Some servers set one up for themselves and give it an exporter only where that is configured.
    """
    for name in ("_active_span_processor", "span_processor", "_span_processor"):
        processor = getattr(source, name, None)
        if processor is not None:
            return getattr(processor, "_span_processors", True) != ()
    return True
