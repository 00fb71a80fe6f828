"""Our request as the current span of OpenTelemetry: user spans get the right parent, logs the right trace id."""

from contextvars import Token
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, TraceFlags, TraceState
from opentelemetry.trace.propagation import _SPAN_KEY

from inferometer.record.model import Flag
from inferometer.recorder.headers import MEMBER, outgoing_state

if TYPE_CHECKING:
    from inferometer.recorder.request import OpenRequest

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_UNSAMPLED = TraceFlags(TraceFlags.DEFAULT)
_CALLER_SAMPLED = int(Flag.SAMPLED)
_LOW = (1 << 64) - 1
_OUR_STATE = TraceState.from_header([outgoing_state(b"")])
_BAGGAGE = W3CBaggagePropagator()


class Current(NonRecordingSpan):
    """A request as a span; what it says is put together when somebody asks, which most requests nobody does.

    It says that it is sampled: whether its trace is kept is known when the request has ended, and samplers that follow
    their parent would leave everything out. The price is that spans of the user's are exported for requests whose own
    span is not.
    """

    def __init__(self, request: "OpenRequest") -> None:
        self._request = request
        self._made: SpanContext | None = None

    def get_span_context(self) -> SpanContext:
        """Ids, flags and state of the request."""
        made = self._made
        if made is None:
            request = self._request
            # Clients of the user's OpenTelemetry send the state on; an instrumented callee looks for our member in it.
            state = TraceState.from_header([outgoing_state(request.state)]) if request.state else _OUR_STATE
            made = self._made = SpanContext(
                request.trace_hi << 64 | request.trace_lo, request.span_id, is_remote=False, trace_flags=_SAMPLED,
                trace_state=state,
            )  # fmt: skip
        return made

    def __repr__(self) -> str:
        """As the class above shows itself."""
        return f"Current({self.get_span_context()!r})"


def attach(request: "OpenRequest", here: Context) -> Any:
    """Make the request's span current in addition to what *here* has; what it gives back goes to `detach`."""
    inside = Context({**here, _SPAN_KEY: Current(request)})
    if request.baggage:
        inside = _BAGGAGE.extract({"baggage": request.baggage.decode("latin-1")}, inside)
    return context.attach(inside)


def detach(token: Any) -> None:
    """Take it out again. A request that ends in another context than it began in leaves that one as it is."""
    if not isinstance(token, Token):
        context.detach(token)
        return
    try:
        # Not context.detach, which logs an error where the context is another one: streams end in theirs.
        token.var.reset(token)
    except ValueError:
        return


def caller(request: "OpenRequest") -> Context:
    """A context whose current span is who called the request; an empty one without a caller."""
    if not request.parent_id:
        return Context()
    state = TraceState.from_header([request.state.decode("latin-1")]) if request.state else None
    flags = _SAMPLED if request.flags & _CALLER_SAMPLED else _UNSAMPLED
    parent = SpanContext(
        request.trace_hi << 64 | request.trace_lo, request.parent_id, is_remote=True, trace_flags=flags,
        trace_state=state,
    )  # fmt: skip
    return trace.set_span_in_context(NonRecordingSpan(parent), Context())


def with_member(parent: SpanContext) -> Context | None:
    """A context for a span that goes out, whose ``tracestate`` has our member in front; None: the current one will do.

    Without a state OpenTelemetry sends none, and the member that our own hook puts there stays.
    """
    state = parent.trace_state
    if not state or MEMBER in state:
        return None
    ours = SpanContext(
        parent.trace_id, parent.span_id, is_remote=parent.is_remote, trace_flags=parent.trace_flags,
        trace_state=TraceState.from_header([outgoing_state(state.to_header().encode())]),
    )  # fmt: skip
    return trace.set_span_in_context(NonRecordingSpan(ours))


def share(request: "OpenRequest", span: Span) -> None:
    """Take over the trace id of a span, which goes out with the user's calls, whether anybody gets the span or not."""
    context = span.get_span_context()
    high, low = context.trace_id >> 64, context.trace_id & _LOW
    if (high, low) != (request.trace_hi, request.trace_lo):
        # The user's propagators read other headers than we do, or none.
        request.trace_hi, request.trace_lo, request.parent_id = high, low, 0
