"""A request of an ASGI application while it is open: the receive and send that stamp what passes through them."""

from collections.abc import Awaitable, Iterable
from types import MethodType
from typing import TYPE_CHECKING, Final

from inferometer.recorder.headers import server_timing
from inferometer.recorder.protocol import Message, Receive, Scope, Send
from inferometer.recorder.request import OpenRequest, now
from inferometer.recorder.routes import route_of
from inferometer.recorder.token_stream import HEAD, TOGETHER, JsonAnswer, Streamed, streamed
from inferometer.recorder.tokens import CHUNKS
from inferometer.recorder.usage import HINT, NEAR
from inferometer.recorder.waits import Waits

if TYPE_CHECKING:
    from inferometer.recorder.worker import Worker

TIMES_KEY: Final = "inferometer.times"
"""Where a server's hook leaves when it had parsed the head, and when the kernel had the request, ns; 0 for unknown."""
BLOCKED_NS: Final = 10**6
"""A part of a stream that took this long to hand over waited for the client."""
_UNKNOWN: Final = (0, 0)
_UNAVAILABLE: Final = 503
_REREAD: Final = (list, tuple)


class AsgiRequest(OpenRequest):
    """An open request whose bound methods `receive` and `send` go to the application."""

    __slots__ = ("head", "rx", "scope", "tx")

    def __init__(self, worker: "Worker", scope: Scope, receive: Receive, send: Send) -> None:
        start, arrival = scope.get(TIMES_KEY, _UNKNOWN)
        OpenRequest.__init__(self, worker, scope["headers"], start, arrival)
        self.scope: Scope | None = scope
        self.rx = receive
        self.tx = send
        self.head: Iterable[tuple[bytes, bytes]] = ()
        """Headers of the answer."""

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
                body = message.get("body") or b""
                return self._part(message, body) if message.get("more_body") else self._final(message, body)
            if kind == "http.response.start":
                self.respond = now()
                status = message["status"]
                self.status = status = status if type(status) is int else int(status)
                self.head = head = message.get("headers", ())
                if not isinstance(head, _REREAD):
                    # They may be read only once, and it is the server that reads them.
                    self.head = head = list(head)
                    message = {**message, "headers": head}
                if status == _UNAVAILABLE:
                    self.retry_after = any(name.lower() == b"retry-after" for name, _ in head)
                if self.answers:
                    message = self._answered(message)
                if self.worker.tracing is not None:
                    self.worker.answering(self)
        except Exception as error:  # noqa: BLE001 - the server judges whatever an application sends
            self.worker.failed(error)
        return self.tx(message)

    def _answered(self, message: Message) -> Message:
        timing = (b"server-timing", server_timing(self.respond - (self.arrival or self.start or self.entry)))
        return {**message, "headers": [*message.get("headers", ()), timing]}

    async def _final(self, message: Message, body: bytes) -> None:
        await self.tx(message)
        self.last = last = now()
        if not body:
            return
        try:
            if self.chunks:
                self._end(body, last)
                return
            # An answer in one piece, as most are.
            self.chunks = 1
            self.bytes_out = len(body)
            self.first_chunk = last
            # `may_state`, without the call.
            if type(body) is bytes and body.rfind(HINT, NEAR) >= 0:
                self._stated(body, last)
        except Exception as error:  # noqa: BLE001 - the server took whatever it is
            self.worker.failed(error)

    def _end(self, body: bytes, at: int) -> None:
        """The last part of a stream was handed over."""
        self.chunks += 1
        self.bytes_out += len(body)
        if self.stream is not None:
            try:
                self.stream.feed(body, at)
            except Exception as error:  # noqa: BLE001 - the edge: the answer is given, only its tokens are lost
                self._blind(error)

    async def _part(self, message: Message, body: bytes) -> None:
        begun = now()
        await self.tx(message)
        done = now()
        try:
            if body:
                size = len(body)
                self.bytes_out += size
                self.chunks += 1
                stream = self.stream
                if stream is not None:
                    # Streamed.feed, without the call.
                    stream.chunks.append(body)
                    times = stream.times
                    times.append(done)
                    if len(times) >= TOGETHER or size > HEAD:
                        self._look(stream)
                elif not self.first_chunk:
                    self._begin(body, done)
        except Exception as error:  # noqa: BLE001 - as above
            self.worker.failed(error)
        if done - begun >= BLOCKED_NS:
            if self.waits is None:
                self.waits = Waits()
            self.waits.add(begun, done)

    def _begin(self, body: bytes, at: int) -> None:
        """The first part of a stream was handed over."""
        self.first_chunk = at
        try:
            self.stream = streamed(self.head, every=self.said & CHUNKS != 0)
            if self.stream is not None:
                self.stream.feed(body, at)
        except Exception as error:  # noqa: BLE001 - as above
            self._blind(error)

    def _look(self, stream: Streamed) -> None:
        try:
            stream.look()
        except Exception as error:  # noqa: BLE001 - as above
            self._blind(error)

    def _stated(self, body: bytes, at: int) -> None:
        """An answer in one piece may state its tokens."""
        try:
            stream = streamed(self.head, every=False)
            if isinstance(stream, JsonAnswer):
                stream.feed(body, at)
                self.stream = stream
        except Exception as error:  # noqa: BLE001 - as above
            self._blind(error)

    def _blind(self, error: Exception) -> None:
        self.stream = None
        self.worker.failed(error)

    def place(self) -> tuple[str, str]:
        """(method, route template) as far as the router has decided."""
        scope = self.scope
        if scope is None:
            return "", ""
        try:
            route = scope["route"].path_format
            # Most applications have neither mounts nor routers in routers; `route_of` knows the others.
            if type(route) is str and "fastapi" not in scope and "app_root_path" not in scope:
                return scope["method"], route
        except (KeyError, AttributeError):
            # No route was found, or it is one of a framework whose routes are others.
            pass
        return scope.get("method", ""), route_of(scope)

    def release(self) -> bool:
        """Let go of the server's objects; whether the client left before it had the whole answer."""
        self.scope = None
        self.head = ()
        if self.rare is not None and self.left:
            return True
        # uvicorn's cycle knows of a client that left while nobody was asking receive().
        tx = self.tx
        return type(tx) is MethodType and getattr(tx.__self__, "disconnected", False) is True
