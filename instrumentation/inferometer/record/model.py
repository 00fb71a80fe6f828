"""A request as it was: stamps, executes, calls, marked intervals. Frozen; made when the request has ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from inferometer.catalog.stages import Kind, Outcome, Stage


class Moment(IntEnum):
    """Moments of a request, in the order in which they come where nothing overlaps; the index into its stamps."""

    ARRIVAL = 0
    """The kernel had the first byte, where that is known."""
    START = 1
    """The server had parsed the request's head."""
    ENTRY = 2
    """Our wrapper around the application was called."""
    BODY_START = 3
    """First ``receive()``."""
    BODY_END = 4
    """The last part of the body was there."""
    VALIDATE = 5
    """Dependencies and validation begin; the end of decoding where that is not before ENDPOINT, as with gRPC."""
    ENDPOINT = 6
    """The endpoint is called, or handed to the thread pool."""
    THREAD = 7
    """A synchronous endpoint runs in its thread."""
    ENCODE = 8
    """The answer is serialised."""
    RESPOND = 9
    """``http.response.start``."""
    FIRST_CHUNK = 10
    """The first non-empty part of the answer's body was handed over."""
    FIRST_TOKEN = 11
    LAST = 12
    """The last part of the answer's body was handed over."""
    DONE = 13
    """The application returned; what runs between LAST and DONE is a background task, outside the duration."""


class Flag(IntFlag):
    """What else is known of a request."""

    ENTRY = 1
    """No instrumented caller: the fleet's requests are counted here."""
    WARMUP = 2
    """Outside every SLO and percentile."""
    STREAM = 4
    """The answer had more than one part."""
    SAMPLED = 8
    """The caller's traceparent says that the trace is kept."""
    OPEN = 16
    """Has not ended; only in a frame's table of open requests."""
    CACHE_HIT = 32
    FOREIGN_SPANS = 64
    """Its spans leave through the user's own OpenTelemetry pipeline, not through ours."""
    TOLD = 128
    """Made of a span that somebody else sent: nobody says on which device it ran, or what that cost."""


_NO_FLAGS = Flag(0)


def per_output_token(first: int, last: int, tokens_out: int) -> int | None:
    """Mean time per output token after the first, ns; None where it is not known.

    Args:
        first: when the first token was there, ns; 0 where unknown.
        last: when the last one was, on the same clock.
        tokens_out: number of output tokens; 0 where unknown.
    """
    # Tokens that all came at once say nothing of the time that one takes.
    if not first or last <= first or tokens_out < 2:  # noqa: PLR2004 - one token has none after it
        return None
    return (last - first) // (tokens_out - 1)


_STREAM = int(Flag.STREAM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Names of a request; empty where nobody says."""

    service: str
    model: str
    version: str = ""
    region: str = ""
    tenant: str = ""
    request_class: str = ""
    method: str = ""
    route: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execute:
    """One run of a model, as far as this request has part in it. Stamps in ns of CLOCK_MONOTONIC."""

    execute_id: int
    start: int
    end: int
    device: str
    queued: int = 0
    """Launch on a device that was busy; 0 where it started at once."""
    batch_id: int = 0
    batch_size: int = 1
    """Requests that share the run; this one's weight on the device is 1 / batch_size."""
    rows: int = 0
    """Leading dimension of the input; 0 where unknown."""
    kind: Kind = Kind.NONE
    tokens: int = 0
    """Of a prefill: what this request has computed, without what a cache had; 0 where unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One attempt of an outgoing request. Stamps in ns of CLOCK_MONOTONIC, 0 where the moment did not come."""

    call_id: int
    """Span id that went out in traceparent."""
    start: int
    end: int
    target: str
    sent: int = 0
    """The client's pool gave it a connection, or the right to make one; before it the call waited there."""
    headers: int = 0
    server_ns: int = 0
    """The callee's own time to its response head, by its ``Server-Timing``; 0 where it does not say."""
    method: str = ""
    status: int = 0
    kind: Kind = Kind.INFERENCE
    attempt: int = 1
    foreign: bool = False
    """Somebody else put the traceparent there, and makes the span of this call."""
    outcome: Outcome | None = None
    """Why nobody answered: `TIMEOUT`, `CANCELLED` or `SERVER_ERROR`; None where somebody did, or it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A stretch of a request that the user or a hook gave to a stage."""

    start: int
    end: int
    stage: Stage
    kind: Kind = Kind.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One executed batch of a queue."""

    batch_id: int
    labels: Labels
    opened: int
    """The first member came."""
    start: int
    end: int
    size: int
    capacity: int
    waiting: int = 0
    """Members left in the queue when it was closed."""
    reason: str = "flush"
    """One of ``catalog.labels.CLOSE_REASON``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """Everything that is known of one request (one hop) when it has ended."""

    trace_id: int
    """128 bits."""
    span_id: int
    """64 bits; the record's identity."""
    parent_id: int = 0
    """Span id of the caller's attempt; 0 without one."""
    labels: Labels
    stamps: Sequence[int]
    """ns of CLOCK_MONOTONIC by `Moment`; 0 where the moment did not come."""
    outcome: Outcome
    status: int = 0
    """HTTP status; 0 where no answer began."""
    flags: Flag = _NO_FLAGS
    proxy_wait_ns: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    chunks: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    last_token: int = 0
    """ns of CLOCK_MONOTONIC at which the last output token was there; 0 where unknown."""
    gaps: tuple[tuple[int, int], ...] = ()
    """(bucket, number) of times between tokens; a bucket is an index into the boundaries of the series' sketch."""
    external_id: str = ""
    """What the client or a proxy calls the request."""
    executes: tuple[Execute, ...] = ()
    calls: tuple[Call, ...] = ()
    intervals: tuple[Interval, ...] = ()

    @property
    def start(self) -> int:
        """The earliest known moment: arrival, else the server's start, else our entry."""
        stamps = self.stamps
        return stamps[Moment.ARRIVAL] or stamps[Moment.START] or stamps[Moment.ENTRY]

    @property
    def end(self) -> int:
        """The last byte was handed over; where none was, the application returned."""
        return max(self.stamps[Moment.LAST] or self.stamps[Moment.DONE], self.start)

    @property
    def duration_ns(self) -> int:
        """From `start` to `end`."""
        return self.end - self.start

    @property
    def first_chunk_ns(self) -> int | None:
        """Time to the first chunk of a streamed answer; None where the answer was no stream."""
        first = self.stamps[Moment.FIRST_CHUNK]
        return first - self.start if first and int(self.flags) & _STREAM else None

    @property
    def first_token_ns(self) -> int | None:
        """Time to the first output token; None where it is not known."""
        first = self.stamps[Moment.FIRST_TOKEN]
        return max(first - self.start, 0) if first else None

    @property
    def time_per_output_token_ns(self) -> int | None:
        """Mean time per output token after the first; None where it is not known.

        Where the last token's moment is not known, the answer's end stands for it.
        """
        return per_output_token(self.stamps[Moment.FIRST_TOKEN], self.last_token or self.end, self.tokens_out)
