"""A request while it is open: stamps in slots, and the receive and send that take them."""

import threading
import time
from collections.abc import Awaitable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.record.model import Flag
from inferometer.recorder.calls import MAX_CALLS, CallMark
from inferometer.recorder.executes import ExecuteMark
from inferometer.recorder.headers import is_ours, parse_traceparent, server_timing
from inferometer.recorder.outcome import of_exception, of_request
from inferometer.recorder.protocol import Message, Receive, Scope, Send
from inferometer.recorder.routes import route_of
from inferometer.wire.layout import INTERVALS, OPEN, REQUESTS

if TYPE_CHECKING:
    from inferometer.recorder.worker import Worker

now = time.monotonic_ns

START_KEY: Final = "inferometer.start"
"""Where a server's hook leaves the moment at which it had parsed the head, ns."""
MAX_EXECUTES: Final = 4096
MAX_INTERVALS: Final = 4096
MAX_BLOCKED_SENDS: Final = 16
BLOCKED_NS: Final = 10**6
"""A part of a stream that took this long to hand over waited for the client."""
_MAX_TEXT: Final = 200
_ENTRY: Final = int(Flag.ENTRY)
_SAMPLED: Final = int(Flag.SAMPLED)
_STREAM: Final = int(Flag.STREAM)
_UNAVAILABLE: Final = 503
_MAX_STATUS: Final = 999
_PACK: Final = REQUESTS.row.pack
_PACK_OPEN: Final = OPEN.row.pack
_PACK_INTERVAL: Final = INTERVALS.row.pack
_listing = threading.Lock()


class OpenRequest:
    """Stamps, names and marks of one request. Its bound methods `receive` and `send` go to the application."""

    __slots__ = (
        "answers", "arrival", "blocked", "body_end", "body_start", "bytes_in", "bytes_out", "calls", "chunks",
        "degraded", "encode", "ended", "endpoint", "entry", "executes", "first_chunk", "first_token", "flags",
        "flushed", "hooked", "intervals", "last", "left", "model", "parent_id", "proxy_wait", "raised", "rejected",
        "request_class", "respond", "retry_after", "rx", "scope", "span_id", "start", "state", "status", "tenant",
        "thread", "tokens_in", "tokens_out", "trace_hi", "trace_lo", "tx", "validate", "version", "worker",
    )  # fmt: skip

    def __init__(self, worker: "Worker", scope: Scope, receive: Receive, send: Send) -> None:
        self.entry = now()
        self.worker = worker
        self.scope: Scope | None = scope
        self.rx = receive
        self.tx = send
        self.arrival = self.body_start = self.body_end = self.validate = self.endpoint = self.thread = 0
        self.encode = self.respond = self.first_chunk = self.first_token = self.last = self.ended = 0
        self.status = self.chunks = self.bytes_in = self.bytes_out = self.tokens_in = self.tokens_out = 0
        self.proxy_wait = self.parent_id = self.trace_hi = self.trace_lo = self.blocked = self.flushed = 0
        self.model = self.hooked = self.tenant = self.request_class = ""
        self.version: str = worker.version
        self.answers = self.left = self.retry_after = self.degraded = self.rejected = False
        self.executes: list[ExecuteMark] | None = None
        self.calls: list[CallMark] | None = None
        self.intervals: list[bytes] | None = None
        self.raised: Outcome | None = None
        self.state = b""
        self.flags = _ENTRY
        self.start: int = scope.get(START_KEY, 0)
        bits = worker.bits
        self.span_id = bits(64)
        wanted = worker.wanted_headers
        found: dict[bytes, bytes] | None = None
        for name, value in scope["headers"]:
            if name in wanted:
                if found is None:
                    found = {name: value}
                else:
                    found[name] = found[name] + b"," + value if name in found else value
        if found is not None:
            self._read(found)
        if not (self.trace_lo or self.trace_hi):
            self.trace_hi = bits(64)
            self.trace_lo = bits(64)
        worker.open[self.span_id] = self

    def _read(self, found: dict[bytes, bytes]) -> None:
        worker = self.worker
        self.tenant = found.get(worker.tenant_header, b"")[:_MAX_TEXT].decode("latin-1")
        self.request_class = found.get(worker.class_header, b"")[:_MAX_TEXT].decode("latin-1")
        # Two traceparents were joined with a comma, which makes them invalid, as the specification asks.
        parent = parse_traceparent(found.get(b"traceparent", b""))
        if parent is None:
            return
        self.trace_hi, self.trace_lo, self.parent_id, flags = parent
        self.state = found.get(b"tracestate", b"")
        if self.state and is_ours(self.state):
            self.answers = True
            self.flags = 0
        if flags & 1:
            self.flags |= _SAMPLED

    async def receive(self) -> Message:
        """Stand for the server's receive."""
        if not self.body_start:
            self.body_start = now()
        message = await self.rx()
        try:
            kind = message["type"]
            if kind == "http.request":
                self.bytes_in += len(message.get("body") or b"")
                if not message.get("more_body"):
                    self.body_end = now()
            elif kind == "http.disconnect" and not self.last:
                self.left = True
        except Exception as error:  # noqa: BLE001 - the application gets whatever a server hands over
            self.worker.failed(error)
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Stand for the server's send."""
        try:
            kind = message["type"]
            if kind == "http.response.body":
                size = len(message.get("body") or b"")
                return self._part(message, size) if message.get("more_body") else self._final(message, size)
            if kind == "http.response.start":
                self.respond = now()
                self.status = status = int(message["status"])
                if status == _UNAVAILABLE:
                    self.retry_after = any(name.lower() == b"retry-after" for name, _ in message.get("headers", ()))
                if self.answers:
                    message = self._answered(message)
        except Exception as error:  # noqa: BLE001 - the server judges whatever an application sends
            self.worker.failed(error)
        return self.tx(message)

    def _answered(self, message: Message) -> Message:
        timing = (b"server-timing", server_timing(self.respond - (self.start or self.entry)))
        return {**message, "headers": [*message.get("headers", ()), timing]}

    async def _final(self, message: Message, size: int) -> None:
        await self.tx(message)
        self.last = last = now()
        if size:
            self.bytes_out += size
            self.chunks += 1
            if not self.first_chunk:
                self.first_chunk = last

    async def _part(self, message: Message, size: int) -> None:
        begun = now()
        await self.tx(message)
        done = now()
        if size:
            self.bytes_out += size
            self.chunks += 1
            if not self.first_chunk:
                self.first_chunk = done
        if done - begun >= BLOCKED_NS and self.blocked < MAX_BLOCKED_SENDS:
            self.blocked += 1
            self.add_interval(begun, done, Stage.NETWORK, Kind.SEND)

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
        """Take part in an outgoing attempt; False where the request has ended or has too many."""
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

    def shape(self) -> int:
        """Number of its labels, as far as they are known."""
        scope = self.scope
        route = method = ""
        if scope is not None:
            route, method = route_of(scope), scope.get("method", "")
        shapes = self.worker.shapes
        model = self.model or self.hooked
        if model:
            shapes.learn(route, model)
        else:
            model = shapes.learned(route)
        return shapes.number((model, self.version, self.tenant, self.request_class, method, route))

    def close(self) -> None:
        """The application returned, or raised: the record is made. Nothing is raised from here."""
        try:
            self._finish()
        except Exception as error:  # noqa: BLE001 - the edge: the answer is given, only our record is lost
            self.worker.open.pop(self.span_id, None)
            self.worker.buffers.dropped()
            self.worker.failed(error)

    def _finish(self) -> None:
        self.ended = done = now()
        worker = self.worker
        chunks = self.chunks
        status = self.status
        row = _PACK(
            self.trace_hi, self.trace_lo, self.span_id, self.parent_id,
            self.arrival, self.start, self.entry, self.body_start, self.body_end, self.validate, self.endpoint,
            self.thread, self.encode, self.respond, self.first_chunk, self.first_token, self.last, done,
            self.proxy_wait, self.bytes_in, self.bytes_out, self.shape(), chunks, self.tokens_in, self.tokens_out,
            status if 0 <= status <= _MAX_STATUS else 0, self._outcome(done),
            self.flags | _STREAM if chunks > 1 else self.flags,
        )  # fmt: skip
        if self.executes is None and self.calls is None and self.intervals is None:
            worker.buffers.request(row)
        else:
            self._finish_with(row, done)
        del worker.open[self.span_id]
        self.scope = None

    def _outcome(self, done: int) -> Outcome:
        status = self.status
        # uvicorn's cycle knows of a client that left while nobody was asking receive().
        left = self.left or getattr(getattr(self.tx, "__self__", None), "disconnected", False) is True
        if 200 <= status < 400 and not left and self.raised is None and not self.rejected:  # noqa: PLR2004 - HTTP
            return Outcome.DEGRADED if self.degraded else Outcome.OK
        if self.rejected:
            return Outcome.REJECTED
        overdue = done - (self.start or self.entry) >= self.worker.timeout_ns
        return of_request(status, self.raised, left=left, retry_after=self.retry_after, overdue=overdue)

    def _finish_with(self, row: bytes, done: int) -> None:
        span = self.span_id
        executes, calls, intervals = self.executes, self.calls, self.intervals
        self.executes = self.calls = self.intervals = None
        shape = self.shape()
        runs = [mark.row(span, shape, final=True, end=mark.end or done) for mark in executes or () if mark.start]
        attempts = [mark.row(span, done) for mark in calls or ()]
        self.worker.buffers.request_with(row, b"".join(runs), b"".join(attempts), b"".join(intervals or ()))

    def open_row(self) -> bytes:
        """Its row in the table of open requests."""
        return _PACK_OPEN(
            self.trace_hi, self.trace_lo, self.span_id, self.parent_id, self.arrival or self.start or self.entry,
            self.first_chunk, self.shape(), self.flags | int(Flag.OPEN),
        )  # fmt: skip

    def announced(self) -> bytes:
        """Rows of executes that began or ended since the last frame. Only the flusher calls it."""
        marks = self.executes
        if not marks or len(marks) == self.flushed:
            return b""
        shape = self.shape()
        rows = []
        for index, mark in enumerate(marks[self.flushed :], self.flushed):
            if not mark.start:
                break
            end = mark.end
            mark.announced = True
            rows.append(mark.row(self.span_id, shape, final=False, end=end))
            if end and index == self.flushed:
                self.flushed += 1
        return b"".join(rows)


current_request: ContextVar[OpenRequest | None] = ContextVar("inferometer_request", default=None)


def current() -> OpenRequest | None:
    """The open request that this code runs for; None outside one and after its end."""
    request = current_request.get()
    return None if request is None or request.ended else request
