"""A request while it is open, whatever the protocol: stamps, names and marks in slots, one row when it ends."""

import threading
import time
from collections.abc import Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.record.model import Flag
from inferometer.recorder import caller, proxy_wait
from inferometer.recorder.calls import MAX_CALLS, CallMark
from inferometer.recorder.executes import ExecuteMark
from inferometer.recorder.headers import is_ours, parse_traceparent
from inferometer.recorder.outcome import of_exception, of_request
from inferometer.recorder.streamed import Streamed
from inferometer.recorder.tokens import settle
from inferometer.recorder.waits import Waits
from inferometer.wire.layout import (
    EXTERNAL_IDS,
    GAPS,
    HEAD_OF_REQUESTS,
    INTERVALS,
    OPEN,
    TAIL_OF_REQUESTS,
)

if TYPE_CHECKING:
    from inferometer.recorder.tracing import Joined
    from inferometer.recorder.worker import Worker

now = time.monotonic_ns

MAX_EXECUTES: Final = 4096
MAX_INTERVALS: Final = 4096
_MAX_TEXT: Final = 200
_ENTRY: Final = int(Flag.ENTRY)
_SAMPLED: Final = int(Flag.SAMPLED)
_STREAM: Final = int(Flag.STREAM)
_MAX_STATUS: Final = 999
_MAX_JOINED: Final = 16_384
"""Bytes of a header that came many times; more of it is not looked at."""
_RARE: Final = frozenset({*caller.HEADERS, *proxy_wait.HEADERS})
_PROXIES: Final = frozenset(proxy_wait.HEADERS)
READ_HEADERS: Final = frozenset({b"traceparent", b"tracestate", *_RARE})
"""What is read of every request, besides the headers that settings name."""
_PACK: Final = HEAD_OF_REQUESTS.pack
_PACK_LAST: Final = TAIL_OF_REQUESTS.pack
_NO_TOKENS: Final = _PACK_LAST(0)
_PACK_ID: Final = EXTERNAL_IDS.row.pack
_PACK_OPEN: Final = OPEN.row.pack
_PACK_INTERVAL: Final = INTERVALS.row.pack
_PACK_GAP: Final = GAPS.row.pack
_listing = threading.Lock()


class OpenRequest:
    """Stamps, names and marks of one request; each protocol has a class of its own that takes the stamps."""

    __slots__ = (
        "answers", "arrival", "baggage", "body_end", "body_start", "bytes_in", "bytes_out", "calls", "chunks",
        "degraded", "encode", "ended", "endpoint", "entry", "executes", "external_id", "first_chunk", "first_token",
        "flags", "flushed", "gaps", "hooked", "intervals", "joined", "last", "last_token", "left", "model", "parent_id",
        "proxy_wait", "raised", "rejected", "request_class", "respond", "retry_after", "said", "span_id", "start",
        "state", "status", "stream", "tenant", "thread", "tokens_in", "tokens_out", "trace_hi", "trace_lo", "validate",
        "version", "waits", "worker",
    )  # fmt: skip

    in_context = True
    """Whether it is opened in the context in which it is handled; else others learn of it as they ask."""

    def __init__(
        self, worker: "Worker", headers: Iterable[tuple[bytes, bytes]], start: int = 0, arrival: int = 0
    ) -> None:
        """Open a request.

        Args:
            worker: of this process.
            headers: names in lower case, and values, as the client sent them.
            start: ns at which the server had parsed the head; 0 where it does not tell.
            arrival: ns at which the kernel had the request; 0 where that is unknown.
        """
        self.entry = now()
        self.worker = worker
        self.body_start = self.body_end = self.validate = self.endpoint = self.thread = 0
        self.encode = self.respond = self.first_chunk = self.first_token = self.last_token = self.last = self.ended = 0
        self.status = self.chunks = self.bytes_in = self.bytes_out = self.tokens_in = self.tokens_out = 0
        self.proxy_wait = self.parent_id = self.trace_hi = self.trace_lo = self.flushed = self.said = 0
        self.model = self.hooked = self.tenant = self.request_class = ""
        self.version: str = worker.version
        self.answers = self.left = self.retry_after = self.degraded = self.rejected = False
        self.executes: list[ExecuteMark] | None = None
        self.calls: list[CallMark] | None = None
        self.intervals: list[bytes] | None = None
        self.gaps: dict[int, int] | None = None
        """Times between tokens: bucket -> number of them."""
        self.stream: Streamed | None = None
        """How the parts of a streamed answer are looked at."""
        self.waits: Waits | None = None
        """When a streamed answer waited for the client."""
        self.raised: Outcome | None = None
        self.state = self.baggage = self.external_id = b""
        self.flags = _ENTRY
        self.start = start
        self.arrival = arrival
        bits = worker.bits
        self.span_id = bits(64)
        wanted = worker.wanted_headers
        found: dict[bytes, bytes] | None = None
        for name, value in headers:
            if name in wanted:
                if found is None:
                    found = {name: value}
                elif name not in found:
                    found[name] = value
                elif len(found[name]) < _MAX_JOINED:
                    found[name] += b"," + value
        if found is not None:
            self._read(found)
        if not (self.trace_lo or self.trace_hi):
            self.trace_hi = bits(64)
            self.trace_lo = bits(64)
        self.joined: Joined | None = None
        """What the user's OpenTelemetry and this request have with each other (`recorder.tracing`)."""
        worker.open[self.span_id] = self
        if worker.tracing is not None:
            worker.tracing.opened(self)

    def _read(self, found: dict[bytes, bytes]) -> None:
        worker = self.worker
        self.tenant = found.get(worker.tenant_header, b"")[:_MAX_TEXT].decode("latin-1")
        self.request_class = found.get(worker.class_header, b"")[:_MAX_TEXT].decode("latin-1")
        # Two traceparents were joined with a comma, which makes them invalid, as the specification asks.
        parent = parse_traceparent(found.get(b"traceparent", b""))
        if parent is not None:
            self.state = found.get(b"tracestate", b"")
        if not _RARE.isdisjoint(found):
            if caller.REQUEST_ID in found:
                self.external_id = caller.external_id(found)
            if caller.BAGGAGE in found:
                self.baggage = caller.baggage(found)
            if not _PROXIES.isdisjoint(found):
                self.proxy_wait = worker.proxy_clock.wait_ns(found, self.arrival or self.start or self.entry)
            if parent is None:
                parent = caller.parse_b3(found)
        if parent is None:
            return
        self.trace_hi, self.trace_lo, self.parent_id, flags = parent
        if self.state and is_ours(self.state):
            self.answers = True
            self.flags = 0
        if flags & 1:
            self.flags |= _SAMPLED

    def add_execute(self, mark: ExecuteMark) -> bool:
        """Take part in an execute; False where the request has ended or has too many."""
        marks = self.executes
        if marks is None:
            with _listing:
                marks = self.executes = self.executes or []
        if self.ended or len(marks) >= MAX_EXECUTES:
            return False
        marks.append(mark)
        return True

    def add_call(self, mark: CallMark) -> bool:
        """Take part in an outgoing attempt; False where the request has ended or has too many.

        Only after it do `trace_hi`, `trace_lo` and `flags` say what the callee is to be told.
        """
        if self.joined is not None:
            self.worker.calling(self)
        marks = self.calls
        if marks is None:
            with _listing:
                marks = self.calls = self.calls or []
        if self.ended or len(marks) >= MAX_CALLS:
            return False
        marks.append(mark)
        return True

    def add_interval(self, start: int, end: int, stage: Stage, kind: Kind = Kind.NONE) -> None:
        """Give a stretch to a stage; nothing where the request has ended. Too many are dropped and counted."""
        rows = self.intervals
        if rows is None:
            with _listing:
                rows = self.intervals = self.intervals or []
        if self.ended:
            return
        if len(rows) >= MAX_INTERVALS:
            self.worker.buffers.dropped()
            return
        rows.append(_PACK_INTERVAL(self.span_id, start, end, stage, kind, 0, 0))

    def raise_(self, error: BaseException) -> None:
        """The application raised *error*."""
        self.raised = of_exception(error)

    def place(self) -> tuple[str, str]:
        """(method, route template) as far as they are known; each protocol's class says."""
        return "", ""

    def release(self) -> bool:
        """The request has ended: let go of the server's objects.

        Returns:
            Whether the client left before it had the whole answer.
        """
        return self.left

    def shape(self) -> int:
        """Number of its labels, as far as they are known."""
        method, route = self.place()
        shapes = self.worker.shapes
        known = shapes.models.get(route, "")
        model = self.model or self.hooked
        if not model:
            # Shapes.learned, without the call, and below Shapes.number.
            model = known or route
        elif model != known:
            shapes.learn(route, model)
        key = (model, self.version, self.tenant, self.request_class, method, route)
        return shapes.numbers.get(key) or shapes.add(key)

    def close(self) -> None:
        """The application returned, or raised: the record is made. Nothing is raised from here."""
        tracing = self.worker.tracing
        if tracing is not None:
            tracing.closing(self)
        try:
            self._finish()
        except Exception as error:  # noqa: BLE001 - the edge: the answer is given, only our record is lost
            self.ended = now()
            self.worker.open.pop(self.span_id, None)
            self.worker.buffers.dropped()
            self.worker.failed(error)

    def _streamed(self) -> None:
        stream, waits = self.stream, self.waits
        self.stream = self.waits = None
        if stream is not None:
            try:
                settle(self, stream)
            except Exception as error:  # noqa: BLE001 - the edge: only its tokens are lost
                self.worker.failed(error)
        if waits is not None:
            for start, end in waits.intervals():
                self.add_interval(start, end, Stage.NETWORK, Kind.SEND)

    def _finish(self) -> None:
        if self.stream is not None or self.waits is not None:
            self._streamed()
        self.ended = done = now()
        worker = self.worker
        chunks = self.chunks
        status = self.status
        shape = self.shape()
        left = self.release()
        if 200 <= status < 400 and not left and self.raised is None and not self.rejected:  # noqa: PLR2004 - HTTP
            outcome = Outcome.DEGRADED if self.degraded else Outcome.OK
        else:
            outcome = self._outcome(done, left=left)
        row = _PACK(
            self.trace_hi, self.trace_lo, self.span_id, self.parent_id,
            self.arrival, self.start, self.entry, self.body_start, self.body_end, self.validate, self.endpoint,
            self.thread, self.encode, self.respond, self.first_chunk, self.first_token, self.last, done,
            self.proxy_wait, self.bytes_in, self.bytes_out, shape, chunks, self.tokens_in, self.tokens_out,
            status if 0 <= status <= _MAX_STATUS else 0, outcome,
            self.flags | _STREAM if chunks > 1 else self.flags,
        ) + (_PACK_LAST(self.last_token) if self.last_token else _NO_TOKENS)  # fmt: skip
        if self.executes is not None or self.calls is not None or self.intervals is not None or self.gaps is not None:
            self._finish_with(row, shape, done)
        elif self.external_id:
            worker.buffers.request_named(row, _PACK_ID(self.span_id, self.external_id))
        else:
            worker.buffers.request(row)
        del worker.open[self.span_id]

    def _outcome(self, done: int, *, left: bool) -> Outcome:
        """Outcome of what is no answer that was given whole."""
        if self.rejected:
            return Outcome.REJECTED
        overdue = done - (self.arrival or self.start or self.entry) >= self.worker.timeout_ns
        return of_request(self.status, self.raised, left=left, retry_after=self.retry_after, overdue=overdue)

    def _finish_with(self, row: bytes, shape: int, done: int) -> None:
        span = self.span_id
        runs = b"".join(self._runs(shape, done)) if self.executes else b""
        calls, intervals = self.calls, self.intervals
        self.executes = self.calls = self.intervals = None
        attempts = b"".join([mark.row(span, done) for mark in calls]) if calls else b""
        marked = b"".join(intervals) if intervals else b""
        gaps = b"".join([_PACK_GAP(span, *gap) for gap in self.gaps.items()]) if self.gaps else b""
        named = _PACK_ID(span, self.external_id) if self.external_id else b""
        self.worker.buffers.request_with(row, runs, attempts, marked, gaps, named)

    def _runs(self, shape: int, done: int) -> list[bytes]:
        marks = self.executes or ()
        for mark in marks:
            if mark.ask is not None:
                mark.ask()
        # An end may be stamped while we are at it; what is after ours is told as work of nobody.
        return [
            mark.row(self.span_id, shape, final=True, end=min(mark.end or done, done)) for mark in marks if mark.start
        ]

    def open_row(self) -> bytes:
        """Its row in the table of open requests."""
        return _PACK_OPEN(
            self.trace_hi, self.trace_lo, self.span_id, self.parent_id, self.arrival or self.start or self.entry,
            self.first_chunk, self.shape(), self.flags | int(Flag.OPEN), self.first_token,
        )  # fmt: skip

    def announced(self) -> bytes:
        """Rows of executes that began or ended since the last frame. Only the flusher calls it."""
        marks = self.executes
        if not marks or len(marks) == self.flushed:
            return b""
        shape = self.shape()
        rows = []
        for index, mark in enumerate(marks[self.flushed :], self.flushed):
            start, end = mark.start, mark.end
            if not start:
                continue
            mark.announced = True
            rows.append(mark.row(self.span_id, shape, final=False, start=start, end=end))
            if end and index == self.flushed:
                self.flushed += 1
        return b"".join(rows)


current_request: ContextVar[OpenRequest | None] = ContextVar("inferometer_request", default=None)


def current() -> OpenRequest | None:
    """The open request that this code runs for; None outside one and after its end."""
    request = current_request.get()
    return None if request is None or request.ended else request
