"""A request by gRPC while it is open: what the server's hooks, threaded and asyncio, have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from inferometer.catalog.rpc import GRPC
from inferometer.catalog.stages import Outcome
from inferometer.recorder.headers import SERVER_TIMING, server_timing
from inferometer.recorder.request import OpenRequest, now
from inferometer.recorder.rpc_method import NO_METHOD, Method
from inferometer.recorder.rpc_status import INTERNAL, OK, OUTCOMES, UNIMPLEMENTED, UNKNOWN
from inferometer.recorder.stretches import DECODE, ENCODE, READ, SEND, Stretches

if TYPE_CHECKING:
    from inferometer.recorder.worker import Worker

Metadata = Iterable[tuple[str, str | bytes]]
Headers = tuple[tuple[bytes, bytes], ...]
_MAX_HEADERS: Final = 64
"""Of those that somebody looks at there are a dozen; who sends more repeats them."""


def wanted_metadata(worker: "Worker") -> frozenset[str]:
    """Keys of the metadata that a request looks at."""
    return frozenset(name.decode("latin-1") for name in worker.wanted_headers)


def headers(metadata: Metadata | None, wanted: frozenset[str]) -> Headers:
    """Metadata as headers, as far as somebody looks at them."""
    found: Headers = ()
    for key, value in metadata or ():
        if key in wanted and isinstance(value, str):
            found = (*found, (key.encode("latin-1", "replace"), value.encode("latin-1", "replace")))
            if len(found) >= _MAX_HEADERS:
                break
    return found


class RpcRequest(OpenRequest, ABC):
    """An open call that stands in the place of its method's handler: the server gets it for one.

    So each call has a deserializer and a serializer of its own, and they know which call they work for.
    """

    __slots__ = ("decoded", "failure", "hook", "method", "pulling", "stretches", "written")

    def __init__(self, worker: "Worker", hook: str, metadata: Headers) -> None:
        """Open a call whose method is not known yet.

        Args:
            worker: of this process.
            hook: that errors of ours are counted for.
            metadata: as `headers` gives it.
        """
        self.hook = hook
        self.method: Method = NO_METHOD
        self.failure = OK
        """Code that gRPC sends where something raised and nobody said a code."""
        self.decoded = self.written = 0
        self.pulling = False
        """Whether requests of a stream come through an iterator of ours, which then tells their times."""
        self.stretches: Stretches | None = None
        OpenRequest.__init__(self, worker, metadata)

    def serve(self, method: Method) -> None:
        """Stand for the method's handler."""
        self.method = method
        if method.streams_in or method.streams_out:
            self.stretches = Stretches()

    @property
    def request_streaming(self) -> bool:
        """As the method has it."""
        return self.method.streams_in

    @property
    def response_streaming(self) -> bool:
        """As the method has it."""
        return self.method.streams_out

    @abstractmethod
    def answer(self, timing: tuple[str, str]) -> None:
        """Add our time to the trailing metadata."""

    def request_deserializer(self, data: bytes) -> Any:
        """Stand for the method's deserializer."""
        start = now()
        inner = self.method.deserializer
        try:
            message = data if inner is None else inner(data)
        except BaseException as error:
            self.broke(error, INTERNAL)
            raise
        try:
            self.decoded = end = now()
            self.body_end = start
            self.bytes_in += len(data)
            if self.stretches is None:
                self.validate = end
            elif not self.pulling:
                self.stretches.add(self, DECODE, start, end)
            if not self.endpoint:
                self.endpoint = end
        except Exception as error:  # noqa: BLE001 - the edge: the message is the application's, with or without us
            self.worker.hooks.failed(self.hook, error)
        return message

    def response_serializer(self, message: Any) -> Any:
        """Stand for the method's serializer."""
        start = now()
        method = self.method
        inner = method.serializer
        try:
            data = message if inner is None else inner(message)
        except BaseException as error:
            self.broke(error, INTERNAL)
            raise
        try:
            self.written = end = now()
            self.bytes_out += len(data) if isinstance(data, bytes) else 0
            self.chunks += 1
            if method.streams_out and self.stretches is not None:
                self.stretches.add(self, ENCODE, start, end)
                self.first_chunk = self.first_chunk or end
            else:
                self.encode = start
                self.respond = end
                if self.answers or self.worker.tracing is not None:
                    self.told()
        except Exception as error:  # noqa: BLE001 - the edge: the answer goes out without us
            self.worker.hooks.failed(self.hook, error)
        return data

    def handed(self) -> None:
        """The last message of a stream that was written is with the transport."""
        begun, self.written = self.written, 0
        if not begun or self.stretches is None:
            return
        try:
            end = now()
            if self.chunks == 1:
                self.first_chunk = end
            self.stretches.add(self, SEND, begun, end)
        except Exception as error:  # noqa: BLE001 - the edge: the stream is the application's, with or without us
            self.worker.hooks.failed(self.hook, error)

    def pulled(self, begun: int) -> None:
        """A message of a stream is there, for which somebody has waited since *begun*, ns."""
        start, stretches = self.body_end, self.stretches
        if stretches is None or not begun <= start <= self.decoded:
            return
        try:
            stretches.add(self, READ, begun, start)
            stretches.add(self, DECODE, start, self.decoded)
        except Exception as error:  # noqa: BLE001 - the edge: the stream is the application's, with or without us
            self.worker.hooks.failed(self.hook, error)

    def broke(self, error: BaseException, code: int) -> None:
        """Something of the application raised; gRPC sends *code* where nobody says another one."""
        self.raise_(error)
        self.failure = code
        self.told()

    def told(self) -> None:
        """The answer is complete but for its trailing metadata, which tells an instrumented caller our time."""
        worker = self.worker
        self.last = now()
        try:
            if worker.tracing is not None:
                worker.answering(self)
            if self.answers:
                self.answers = False
                self.answer(
                    (SERVER_TIMING, server_timing((self.respond or self.last) - (self.start or self.entry)).decode())
                )
        except Exception as error:  # noqa: BLE001 - the edge: the answer goes out without us
            worker.hooks.failed(self.hook, error)

    def ended_with(self, code: int, last: int) -> None:
        """The call has ended, with a code, at *last* in ns: the record is made. Nothing is raised from here."""
        self.last = last
        self.status = code
        if self.stretches is not None:
            self.stretches.tell(self)
        tracing = self.worker.tracing
        if tracing is not None:
            tracing.closing(self)
        try:
            self._finish()
        except Exception as error:  # noqa: BLE001 - the edge: the answer is given, only our record is lost
            self.worker.open.pop(self.span_id, None)
            self.worker.buffers.dropped()
            self.worker.hooks.failed(self.hook, error)

    def place(self) -> tuple[str, str]:
        """(`GRPC`, ``package.Service/Method``); the latter is empty for methods that the server does not have."""
        return GRPC, self.method.route

    def _outcome(self, done: int, *, left: bool) -> Outcome:  # noqa: ARG002 - it is that of the base
        if self.rejected:
            return Outcome.REJECTED
        status = self.status
        if not status:
            return Outcome.DEGRADED if self.degraded else Outcome.OK
        if status == UNIMPLEMENTED and self.method is NO_METHOD:
            return Outcome.CLIENT_ERROR
        outcome = OUTCOMES[status] if status != UNKNOWN or self.raised is None else self.raised
        if outcome is Outcome.CANCELLED and done - (self.start or self.entry) >= self.worker.timeout_ns:
            return Outcome.TIMEOUT
        return outcome
