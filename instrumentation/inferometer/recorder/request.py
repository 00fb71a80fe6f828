"""A request while it is open, whatever the protocol: stamps, names and marks in slots, one row when it ends."""

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.record.model import Flag
from inferometer.recorder import rows, sender
from inferometer.recorder.calls import MAX_CALLS, CallMark
from inferometer.recorder.executes import ExecuteMark
from inferometer.recorder.outcome import of_exception, of_request
from inferometer.recorder.rare import Rare
from inferometer.recorder.streamed import Streamed
from inferometer.recorder.tokens import settle
from inferometer.recorder.waits import Waits
from inferometer.wire.layout import INTERVALS, PLAIN_REQUEST

if TYPE_CHECKING:
    from inferometer.recorder.tracing import Joined
    from inferometer.recorder.worker import Worker

now = time.monotonic_ns

MAX_EXECUTES: Final = 4096
MAX_INTERVALS: Final = 4096
_NAME: Final = sender.NAME
_ENTRY: Final = int(Flag.ENTRY)
_STREAM: Final = int(Flag.STREAM)
_OK: Final = Outcome.OK
_MAX_STATUS: Final = 999
_PACK_PLAIN: Final = PLAIN_REQUEST.pack
_PACK_INTERVAL: Final = INTERVALS.row.pack


class OpenRequest:
    """Stamps, names and marks of one request; each protocol has a class of its own that takes the stamps."""

    __slots__ = (
        "answers", "arrival", "body_end", "body_start", "bytes_in", "bytes_out", "calls", "chunks", "encode", "ended",
        "endpoint", "entry", "executes", "external_id", "first_chunk", "flags", "hooked", "intervals", "last", "model",
        "parent_id", "rare", "request_class", "respond", "span_id", "start", "state", "status", "stream", "tenant",
        "thread", "trace_hi", "trace_lo", "validate", "version", "worker",
    )  # fmt: skip
    executes: list[ExecuteMark] | None
    calls: list[CallMark] | None
    intervals: list[bytes] | None
    stream: Streamed | None
    """How the parts of a streamed answer are looked at."""
    rare: dict[str, Any] | None
    """What most requests do not have, by name: see `Rare`."""

    in_context = True
    """Whether it is opened in the context in which it is handled; else others learn of it as they ask."""

    joined: "Rare[Joined | None]" = Rare(None)
    """What the user's OpenTelemetry and this request have with each other (`recorder.tracing`)."""
    baggage = Rare(b"")
    proxy_wait = Rare(0)
    degraded = Rare(False)  # noqa: FBT003 - the default
    rejected = Rare(False)  # noqa: FBT003 - the default
    retry_after = Rare(False)  # noqa: FBT003 - the default
    left = Rare(False)  # noqa: FBT003 - the default
    """The client went away."""
    raised: Rare[Outcome | None] = Rare(None)
    flushed = Rare(0)
    """Executes that are announced and have ended."""
    waits: Rare[Waits | None] = Rare(None)
    """When a streamed answer waited for the client."""
    said = Rare(0)
    """Who says how many tokens there were (`recorder.tokens`)."""
    tokens_in = Rare(0)
    tokens_out = Rare(0)
    first_token = Rare(0)
    last_token = Rare(0)
    gaps: Rare[dict[int, int] | None] = Rare(None)
    """Times between tokens: bucket -> number of them."""

    def __init__(self, worker: "Worker", headers: sender.Headers, start: int = 0, arrival: int = 0) -> None:
        """Open a request.

        Args:
            worker: of this process.
            headers: names in lower case, and values, as the client sent them; looked through twice.
            start: ns at which the server had parsed the head; 0 where it does not tell.
            arrival: ns at which the kernel had the request; 0 where that is unknown.
        """
        self.entry = now()
        self.worker = worker
        self.start = start
        self.arrival = arrival
        self.body_start = self.body_end = self.validate = self.endpoint = self.thread = self.encode = 0
        self.respond = self.first_chunk = self.last = self.ended = 0
        self.status = self.chunks = self.bytes_in = self.bytes_out = self.parent_id = 0
        self.model = self.hooked = self.tenant = self.request_class = ""
        self.version: str = worker.version
        self.state = self.external_id = b""
        self.executes = self.calls = self.intervals = self.stream = self.rare = None
        self.answers = False
        self.flags = _ENTRY
        # A trace that begins here is called after its first request: one number to draw, not three.
        self.span_id = self.trace_lo = worker.bits(64)
        self.trace_hi = worker.trace_hi
        if not worker.wanted_headers.isdisjoint(map(_NAME, headers)):
            sender.read(self, headers)
        worker.open[self.span_id] = self
        if worker.tracing is not None:
            worker.tracing.opened(self)

    def add_execute(self, mark: ExecuteMark) -> bool:
        """Take part in an execute; False where the request has ended or has too many."""
        marks = self.executes
        if marks is None:
            with self.worker.making:
                marks = self.executes = self.executes or []
        if self.ended or len(marks) >= MAX_EXECUTES:
            return False
        marks.append(mark)
        return True

    def add_call(self, mark: CallMark) -> bool:
        """Take part in an outgoing attempt; False where the request has ended or has too many.

        Only after it do `trace_hi`, `trace_lo` and `flags` say what the callee is to be told.
        """
        if self.worker.tracing is not None:
            self.worker.calling(self)
        marks = self.calls
        if marks is None:
            with self.worker.making:
                marks = self.calls = self.calls or []
        if self.ended or len(marks) >= MAX_CALLS:
            return False
        marks.append(mark)
        return True

    def add_interval(self, start: int, end: int, stage: Stage, kind: Kind = Kind.NONE) -> None:
        """Give a stretch to a stage; nothing where the request has ended. Too many are dropped and counted."""
        marked = self.intervals
        if marked is None:
            with self.worker.making:
                marked = self.intervals = self.intervals or []
        if self.ended:
            return
        if len(marked) >= MAX_INTERVALS:
            self.worker.buffers.dropped()
            return
        marked.append(_PACK_INTERVAL(self.span_id, start, end, stage, kind, 0, 0))

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
        """The application returned, or raised: the record is made. Nothing is raised from here.

        It is one function, as each further one costs a request 250 instructions and its own cache lines.
        """
        worker = self.worker
        if worker.tracing is not None:
            worker.tracing.closing(self)
        try:
            if self.stream is not None or self.rare is not None:
                self._settle()
            self.ended = done = now()
            shape = self.shape()
            left = self.release()
            status, chunks, rare = self.status, self.chunks, self.rare
            flags = self.flags | _STREAM if chunks > 1 else self.flags
            outcome = _OK
            if rare is not None or left or not 200 <= status < 400:  # noqa: PLR2004 - an answer of HTTP
                outcome = self._outcome(done, left=left)
                status = status if 0 <= status <= _MAX_STATUS else 0
            if rare is None:
                row = _PACK_PLAIN(
                    self.trace_hi, self.trace_lo, self.span_id, self.parent_id, self.arrival, self.start, self.entry,
                    self.body_start, self.body_end, self.validate, self.endpoint, self.thread, self.encode,
                    self.respond, self.first_chunk, self.last, done, self.bytes_in, self.bytes_out, shape, chunks,
                    status, outcome, flags,
                )  # fmt: skip
            else:
                row = rows.whole(self, rare, shape=shape, status=status, outcome=outcome, flags=flags)
            buffers = worker.buffers
            if self.executes is not None or self.calls is not None or self.intervals is not None or rare is not None:
                buffers.request_with(row, *rows.parts(self, shape))
            elif self.external_id:
                buffers.request_named(row, rows.external_id(self))
            elif len(buffers.plain) < buffers.limit:
                # Buffers.request, without the call.
                buffers.plain.append(row)
            else:
                buffers.request(row)
            del worker.open[self.span_id]
        except Exception as error:  # noqa: BLE001 - the edge: the answer is given, only our record is lost
            self.lost(error)

    def lost(self, error: Exception) -> None:
        """Its record could not be made."""
        self.ended = self.ended or now()
        self.worker.open.pop(self.span_id, None)
        self.worker.buffers.dropped()
        self.failed(error)

    def failed(self, error: Exception) -> None:
        """Our code on its path raised."""
        self.worker.failed(error)

    def _settle(self) -> None:
        """Take over what the parts of a streamed answer have shown."""
        stream, waits = self.stream, self.waits
        self.stream = None
        if stream is not None:
            try:
                settle(self, stream)
            except Exception as error:  # noqa: BLE001 - the edge: only its tokens are lost
                self.failed(error)
        if waits is not None:
            self.waits = None
            for start, end in waits.intervals():
                self.add_interval(start, end, Stage.NETWORK, Kind.SEND)

    def _outcome(self, done: int, *, left: bool) -> Outcome:
        """Outcome of what is no answer that was given whole, or may be none."""
        if self.rejected:
            return Outcome.REJECTED
        overdue = done - (self.arrival or self.start or self.entry) >= self.worker.timeout_ns
        outcome = of_request(self.status, self.raised, left=left, retry_after=self.retry_after, overdue=overdue)
        return Outcome.DEGRADED if outcome is Outcome.OK and self.degraded else outcome


current_request: ContextVar[OpenRequest | None] = ContextVar("inferometer_request", default=None)


def current() -> OpenRequest | None:
    """The open request that this code runs for; None outside one and after its end."""
    request = current_request.get()
    return None if request is None or request.ended else request
