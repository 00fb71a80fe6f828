"""Whose spans a request has, decided as it goes: the user's SERVER span where there is one, else ours.

Nobody can know beforehand whether something inside will make a SERVER span. So under policy ``augment`` the first span
that is started in a request decides: a SERVER span is the one; before any other span without a parent we make the
SERVER span through the same pipeline; and where no span was started at all, we make it when the request ends.
"""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.trace import INVALID_SPAN, ProxyTracerProvider, Span, SpanKind

from inferometer.catalog import spans
from inferometer.hooks.otel.context import Current, attach, caller, detach, share, with_member
from inferometer.hooks.otel.joined import Joined
from inferometer.hooks.otel.outbox import Outbox
from inferometer.hooks.otel.spans import Spans, is_heard
from inferometer.record.model import Flag
from inferometer.recorder.tracing import FOREIGN, Untraced
from inferometer.recorder.worker import Worker
from inferometer.settings import Policy
from inferometer.wire.frame import Names

if TYPE_CHECKING:
    from inferometer.recorder.request import OpenRequest

HOOK: Final = "opentelemetry"
_SERVING: Final = (SpanKind.SERVER, SpanKind.CONSUMER)
"""Kinds of spans around a request that are its own: of a job the consumer's."""
_SAMPLED: Final = int(Flag.SAMPLED)


class OpenTelemetryTracing:
    """`recorder.tracing.Tracing` where OpenTelemetry is at work in the process.

    Args:
        worker: of this process.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._wanted = worker.settings.traces
        self.owns = self._wanted is Policy.OWN
        self._off = self._wanted is Policy.OFF
        self._provider: Any = None
        self._spans = Spans(worker.bits)
        self._outbox = Outbox(worker, self._spans)
        self._making = threading.local()
        worker.hooks.on_failure(HOOK, self._give_up)

    def _give_up(self) -> None:
        self._worker.tracing = Untraced() if self._off else None

    def provided(self, provider: Any) -> None:
        """The process has a global provider, unless it does nothing."""
        real = not isinstance(provider, ProxyTracerProvider | trace.NoOpTracerProvider)
        self._provider = provider if real and not getattr(provider, "_disabled", False) else None

    def opened(self, request: "OpenRequest") -> None:
        """A request begins: join the SERVER span that it began in, or wait for what comes; or be the span."""
        try:
            here, joined = get_current(), Joined()
            request.joined = joined
            if here or not self.owns:
                self._opened(request, joined, here)
            elif request.in_context:
                joined.token = attach(request, here)
        except Exception as error:  # noqa: BLE001 - the edge: the request goes on, joined to nothing
            self._worker.hooks.failed(HOOK, error)

    def _opened(self, request: "OpenRequest", joined: Joined, here: Context) -> None:
        if self._off:
            request.flags |= FOREIGN
        if here:
            self._within(request, joined, trace.get_current_span(here))
        if self.owns and joined.span is None and request.in_context:
            joined.token = attach(request, here)

    def _within(self, request: "OpenRequest", joined: Joined, here: Span) -> None:
        context = here.get_span_context()
        # One of ours is that of a request around this one, which passes its trace on itself, or is left over.
        if not context.is_valid or context.is_remote or isinstance(here, Current):
            return
        if not is_heard(here):
            share(request, here)
            return
        if not here.is_recording() or getattr(here, "kind", None) in _SERVING:
            # What was sampled out does not tell its kind; nothing of it leaves, and nothing of ours may.
            self._join(request, joined, here)
            return
        if self.owns and request.parent_id:
            return
        joined.local = here
        share(request, here)
        request.parent_id = context.span_id

    def _join(self, request: "OpenRequest", joined: Joined, span: Span) -> None:
        """*span* is the request's SERVER span."""
        context = span.get_span_context()
        joined.span, joined.span_id = span, context.span_id
        share(request, span)
        flags = request.flags & ~_SAMPLED | FOREIGN
        request.flags = flags | _SAMPLED if context.trace_flags.sampled else flags

    def starting(self, request: "OpenRequest", tracer: Any, kind: SpanKind, context: Context | None) -> Context | None:
        """A span is about to be started in a request.

        Returns:
            The context that it is to be started in, where it would have no parent; else *context*.
        """
        joined = request.joined
        if not isinstance(joined, Joined) or getattr(self._making, "server", False):
            return context
        if joined.tracer is None:
            if not is_heard(tracer):
                return context
            joined.tracer = tracer
        if kind is SpanKind.SERVER or self._off or context is not None:
            return context
        parent = trace.get_current_span().get_span_context()
        if parent.is_valid:
            return with_member(parent) if kind is SpanKind.CLIENT else None
        return trace.set_span_in_context(self._span_of(request, joined))

    def _span_of(self, request: "OpenRequest", joined: Joined) -> Span:
        """The request's span, for a child that would have no parent."""
        if joined.span is not None:
            return joined.span
        if self.owns:
            return Current(request)
        return self._serve(request, joined)

    def started(self, request: "OpenRequest", tracer: Any, kind: SpanKind, span: Span) -> None:
        """A span was started in a request."""
        joined = request.joined
        if not isinstance(joined, Joined) or getattr(self._making, "server", False):
            return
        if kind is not SpanKind.SERVER or joined.span is not None or self.owns:
            return
        if is_heard(tracer):
            joined.tracer = tracer
            self._join(request, joined, span)
        else:
            share(request, span)

    def _serve(self, request: "OpenRequest", joined: Joined) -> Span:
        """Make the SERVER span, in the pipeline of the user."""
        if joined.tracer is None:
            joined.tracer = self._provider
        start = request.arrival or request.start or request.entry
        context = caller(request) if joined.local is None else trace.set_span_in_context(joined.local)
        ids = request.trace_hi << 64 | request.trace_lo, request.span_id
        self._making.server = True
        try:
            begun = time.time_ns() - time.monotonic_ns() + start
            span: Span = self._spans.server(joined, ids, context, begun, request.place()[0])
        finally:
            self._making.server = False
        joined.ours = True
        self._join(request, joined, span)
        return span

    def calling(self, request: "OpenRequest") -> None:
        """The request calls another service: no SERVER span of the user's is to come any more."""
        joined = request.joined
        try:
            if isinstance(joined, Joined) and self._ours_to_make(joined):
                self._serve(request, joined)
        except Exception as error:  # noqa: BLE001 - the edge: the call goes out
            self._worker.hooks.failed(HOOK, error)

    def _ours_to_make(self, joined: Joined) -> bool:
        if joined.span is not None or self.owns or self._off:
            return False
        return joined.tracer is not None or (self._provider is not None and is_heard(self._provider))

    def answering(self, request: "OpenRequest") -> None:
        """The answer begins: last moment to find a span that no hook saw, and to name what is known on it."""
        joined = request.joined
        try:
            if isinstance(joined, Joined) and not self.owns:
                self._answering(request, joined)
        except Exception as error:  # noqa: BLE001 - the edge: the answer goes out
            self._worker.hooks.failed(HOOK, error)

    def _answering(self, request: "OpenRequest", joined: Joined) -> None:
        if joined.span is None:
            here = trace.get_current_span()
            if here is INVALID_SPAN or here is joined.local or here.get_span_context().is_remote:
                return
            if is_heard(here):
                self._join(request, joined, here)
            else:
                share(request, here)
        self._name(request, joined)

    def _name(self, request: "OpenRequest", joined: Joined) -> None:
        """Say on the user's span what only the request knows, as long as that is possible."""
        span = joined.span
        if span is not None and not self._off and not joined.ours and span.is_recording():
            named = (
                (spans.MODEL_NAME, request.model or request.hooked),
                (spans.MODEL_VERSION, request.version),
                (spans.TENANT, request.tenant),
                (spans.CLASS, request.request_class),
            )
            span.set_attributes({attribute.name: value for attribute, value in named if value})

    def closing(self, request: "OpenRequest") -> None:
        """The request ends: its stages leave with the next frame, if its trace is sampled."""
        joined = request.joined
        if not isinstance(joined, Joined):
            return
        try:
            if joined.token is not None:
                detach(joined.token)
                joined.token = None
            else:
                self._closing(request, joined)
        except Exception as error:  # noqa: BLE001 - the edge: the record is made, its spans are not
            self._worker.hooks.failed(HOOK, error)

    def _closing(self, request: "OpenRequest", joined: Joined) -> None:
        if self._off:
            if joined.span is None:
                # Of this request there is nothing in its caller's trace to point at.
                request.flags &= ~_SAMPLED
            return
        if self._ours_to_make(joined):
            self._serve(request, joined)
        self._name(request, joined)
        if joined.span is None or not joined.span.get_span_context().trace_flags.sampled:
            return
        if joined.tracer is None:
            joined.tracer = self._provider
        self._outbox.put(request.span_id, joined)

    def sent(self, frame: bytes, names: Callable[[], Names]) -> None:
        """Make the spans of the sampled requests whose records are in the frame."""
        try:
            self._outbox.sent(frame, names)
        except Exception as error:  # noqa: BLE001 - the edge: the frame is on its way
            self._worker.hooks.failed(HOOK, error)

    def after_fork(self) -> None:
        """In a forked child: what waits is the parent's."""
        self._outbox.clear()
        self._making = threading.local()
