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


class Messages(Stretches):
    """The messages of a stream: what is only asked of a call that has one."""

    __slots__ = ("decoded", "pulling", "written")

    def __init__(self) -> None:
        Stretches.__init__(self)
        self.decoded = self.written = 0
        """ns at which the last one that came in was decoded, and the last one that goes out was encoded."""
        self.pulling = False
        """Whether requests come through an iterator of ours, which then tells their times."""


class RpcRequest(OpenRequest, ABC):
    """An open call that stands in the place of its method's handler: the server gets it for one.

    So each call has a deserializer and a serializer of its own, and they know which call they work for.
    """

    __slots__ = ("failure", "hook", "messages", "method")

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
        self.messages: Messages | None = None
        """Of a call that may have several, in or out."""
        OpenRequest.__init__(self, worker, metadata)

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
            end = now()
            self.body_end = start
            self.bytes_in += len(data)
            if self.messages is None:
                self.validate = end
            else:
                self._decoded(self.messages, start, end)
            if not self.endpoint:
                self.endpoint = end
        except Exception as error:  # noqa: BLE001 - the edge: the message is the application's, with or without us
            self.worker.hooks.failed(self.hook, error)
        return message

    def _decoded(self, messages: Messages, start: int, end: int) -> None:
        messages.decoded = end
        if not messages.pulling:
            messages.add(self, DECODE, start, end)

    def response_serializer(self, message: Any) -> Any:
        """Stand for the method's serializer."""
        start = now()
        inner = self.method.serializer
        try:
            data = message if inner is None else inner(message)
        except BaseException as error:
            self.broke(error, INTERNAL)
            raise
        try:
            end = now()
            self.chunks += 1
            if isinstance(data, bytes):
                self.bytes_out += len(data)
            if self.messages is not None and self.method.streams_out:
                self._encoded(self.messages, start, end)
                return data
            self.encode = start
            self.respond = end
            if self.answers or self.worker.tracing is not None:
                self.told()
        except Exception as error:  # noqa: BLE001 - the edge: the answer goes out without us
            self.worker.hooks.failed(self.hook, error)
        return data

    def _encoded(self, messages: Messages, start: int, end: int) -> None:
        messages.written = end
        messages.add(self, ENCODE, start, end)
        self.first_chunk = self.first_chunk or end

    def handed(self) -> None:
        """The last message of a stream that was written is with the transport."""
        messages = self.messages
        if messages is None or not messages.written:
            return
        begun, messages.written = messages.written, 0
        try:
            end = now()
            if self.chunks == 1:
                self.first_chunk = end
            messages.add(self, SEND, begun, end)
        except Exception as error:  # noqa: BLE001 - the edge: the stream is the application's, with or without us
            self.worker.hooks.failed(self.hook, error)

    def pulled(self, begun: int) -> None:
        """A message of a stream is there, for which somebody has waited since *begun*, ns."""
        start, messages = self.body_end, self.messages
        if messages is None or not begun <= start <= messages.decoded:
            return
        try:
            messages.add(self, READ, begun, start)
            messages.add(self, DECODE, start, messages.decoded)
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
        if self.messages is not None:
            self.messages.tell(self)
        self.close()

    def failed(self, error: Exception) -> None:
        """Our code on its path raised."""
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
