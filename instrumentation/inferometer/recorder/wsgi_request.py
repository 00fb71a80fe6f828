"""A request of a WSGI application while it is open: how its answer begins, and when its parts were handed over.

A WSGI server sends the head of an answer with the first part, so that is when the answer begins. The time between two
parts, in which the server has one and does not ask for the next, is the network's.
"""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from wsgiref.types import StartResponse, WSGIEnvironment

from inferometer.catalog.stages import Kind, Stage
from inferometer.recorder.asgi_request import BLOCKED_NS
from inferometer.recorder.headers import server_timing
from inferometer.recorder.request import OpenRequest, now
from inferometer.recorder.tcp_info import AVAILABLE, waited_ns
from inferometer.recorder.token_stream import JsonAnswer, Streamed, streamed
from inferometer.recorder.tokens import CHUNKS
from inferometer.recorder.usage import may_state
from inferometer.recorder.waits import Waits

if TYPE_CHECKING:
    from inferometer.recorder.worker import Worker

WSGI_HOOK: Final = "wsgi"
"""The hook that errors on the path of a WSGI request are counted for."""
_SOCKETS: Final = ("gunicorn.socket", "werkzeug.socket")
_UNAVAILABLE: Final = 503
_LENGTH: Final = "content-length"
_MAX_LENGTH_DIGITS: Final = 15

Headers = list[tuple[str, str]]


class PoolWait(NamedTuple):
    """How long a server's connection, on which a request came, waited for a thread."""

    queued: int
    """It was handed to the pool, ns; 0 where that is unknown."""
    begun: int
    """A thread took it, ns."""
    told: bool
    """Bytes of the request were there when it was handed over."""


pool_wait: ContextVar[PoolWait | None] = ContextVar("inferometer_pool_wait", default=None)
"""Of the request that this thread is about to read."""


class WsgiRequest(OpenRequest):
    """An open request; its bound methods `start_response` and `write` go to the application."""

    __slots__ = ("environ", "handed", "head", "length", "mount", "part", "pending", "route", "server", "writer")

    def __init__(
        self,
        worker: "Worker",
        environ: WSGIEnvironment,
        headers: Iterable[tuple[bytes, bytes]],
        start_response: StartResponse,
    ) -> None:
        """Open a request.

        Args:
            worker: of this process.
            environ: of the server.
            headers: of the request, names in lower case.
            start_response: of the server.
        """
        arrival = _arrival(environ) if AVAILABLE else 0
        wait = pool_wait.get()
        if wait is not None:
            # A connection of HTTP/2 brings more requests, which have their thread.
            pool_wait.set(None)
            if not arrival and wait.told and wait.begun - wait.queued >= BLOCKED_NS:
                arrival = wait.queued
        OpenRequest.__init__(self, worker, headers, arrival=arrival)
        if wait is not None and wait.queued and arrival:
            begin = max(arrival, wait.queued)
            if wait.begun - begin >= BLOCKED_NS:
                self.add_interval(begin, wait.begun, Stage.QUEUE, Kind.THREADPOOL)
        self.environ: WSGIEnvironment | None = environ
        self.mount: str = environ.get("SCRIPT_NAME", "")
        self.route = ""
        self.server: Callable[..., Any] = start_response
        self.writer: Callable[[bytes], object] | None = None
        self.head: Headers = []
        self.length = -1
        """Bytes of the answer, as its head states them; -1 where it does not."""
        self.pending: tuple[Any, ...] | None = None
        """Arguments of a `start_response` that waits for the first part of the answer."""
        self.handed = 0
        """When the server got the newest part, ns; 0 before the first one."""
        self.part = b""
        """The newest part, while the server has not asked for another."""

    def start_response(self, status: str, headers: Headers, exc_info: Any = None, /) -> Callable[[bytes], object]:
        """Stand for the server's start_response."""
        arguments: tuple[Any, ...] = (status, headers) if exc_info is None else (status, headers, exc_info)
        if self.pending is not None and exc_info is None:
            # Twice is the application's error: the server shall say so.
            self.begin()
        try:
            arguments = self._said(arguments)
        except (AttributeError, TypeError, ValueError):
            # No status or no headers: the server judges whatever an application says.
            self.status = 0
        if self.answers and self.length < 0 and self.writer is None:
            # Only with the first part the head leaves; until then nobody knows how long that took.
            self.pending = arguments
            return self.write
        self.writer = self.server(*arguments)
        return self.write

    def _said(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        status, headers = arguments[:2]
        self.respond = now()
        self.status = code = int(status[:3])
        self.length = _stated_length(headers)
        self.head = headers
        if code == _UNAVAILABLE:
            self.retry_after = any(name.lower() == "retry-after" for name, _ in headers)
        if self.worker.tracing is not None:
            self.worker.answering(self)
        if self.answers and self.length >= 0:
            return (status, self._timed(headers), *arguments[2:])
        return arguments

    def begin(self) -> None:
        """The first part is there: call the server's start_response, if it still waits."""
        pending = self.pending
        if pending is not None:
            self.pending = None
            status, headers, *rest = pending
            self.writer = self.server(status, self._timed(headers), *rest)

    def _timed(self, headers: Headers) -> Headers:
        timing = server_timing(now() - (self.arrival or self.entry)).decode()
        return [*headers, ("Server-Timing", timing)] if isinstance(headers, list) else headers

    def write(self, data: bytes) -> object:
        """Stand for the server's ``write``, which old applications use instead of returning parts."""
        self.begin()
        if self.writer is None:
            return None
        self.hand(data)
        result = self.writer(data)
        self.took()
        return result

    def hand(self, part: bytes) -> None:
        """The server gets a part of the answer."""
        self.part = part
        handed = now()
        if not self.handed:
            self.respond = handed
        self.handed = handed

    def took(self) -> None:
        """The server asks for more: it has handed over the newest part."""
        part, self.part = self.part, b""
        if not part:
            return
        self.last = done = now()
        self.chunks += 1
        try:
            self.bytes_out += len(part)
            if not self.first_chunk:
                self.first_chunk = done
                self.stream = self._stream(part)
            if self.stream is not None:
                self.stream.feed(part, done)
            if done - self.handed >= BLOCKED_NS:
                if self.waits is None:
                    self.waits = Waits()
                self.waits.add(self.handed, done)
        except Exception as error:  # noqa: BLE001 - the edge: the answer is given, only its tokens are lost
            self.stream = None
            self.worker.hooks.failed(WSGI_HOOK, error)

    def _stream(self, part: bytes) -> Streamed | None:
        whole = len(part) == self.length
        if whole and not may_state(part):
            # An answer in one part is looked at only where it may tell of tokens.
            return None
        head = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.head]
        stream = streamed(head, every=not whole and self.said & CHUNKS != 0)
        return stream if not whole or isinstance(stream, JsonAnswer) else None

    def place(self) -> tuple[str, str]:
        """(method, route template) as far as the router has decided."""
        environ = self.environ
        return ("" if environ is None else environ.get("REQUEST_METHOD", "")), self.route

    def routed(self, template: str) -> None:
        """The router of a framework has found *template*; what was mounted inside of us stands before it."""
        environ = self.environ
        if environ is not None:
            mount: str = environ.get("SCRIPT_NAME", "")
            self.route = mount.removeprefix(self.mount) + template

    def whole(self) -> bool:
        """Whether the answer is as long as its head stated, the newest part included."""
        return 0 <= self.length <= self.bytes_out + len(self.part)

    def release(self) -> bool:
        """Let go of the server's objects; whether the client left before it had the whole answer."""
        self.environ = None
        return self.left


def _arrival(environ: WSGIEnvironment) -> int:
    """When the kernel had the request, ns, where the server shows its socket; 0 where that is unknown."""
    for name in _SOCKETS:
        connection = environ.get(name)
        if connection is not None:
            try:
                waited = waited_ns(connection)
            except OSError:
                # A Unix socket, or one that was closed meanwhile: nobody can tell.
                return 0
            return now() - waited if waited else 0
    return 0


def _stated_length(headers: Headers) -> int:
    for name, value in headers:
        if len(name) == len(_LENGTH) and name.lower() == _LENGTH:
            return int(value) if value.isdecimal() and len(value) <= _MAX_LENGTH_DIGITS else -1
    return -1
