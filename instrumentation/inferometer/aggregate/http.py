"""A small server for ``/metrics`` and ``/healthz``; threads, loopback, bounded."""

import contextlib
import logging
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from socketserver import TCPServer
from typing import Any, ClassVar, Final

from inferometer.access import OPEN, Access
from inferometer.aggregate.exposition import Exposition
from inferometer.catalog.labels import REFUSAL
from inferometer.errors import RefusedError

_log = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 10.0
"""A client that takes longer to ask or to read is cut off."""
ASK_SECONDS: Final = 10.0
"""So long after its connection was taken a client must have asked: one byte every few seconds is no question."""
MAX_CLIENTS: Final = 16
"""Scrapes at once; more are closed at once, so that nobody can pile up threads in a model server."""

_UNAUTHORIZED: Final = REFUSAL.values[0]
_TOO_SLOW, _TOO_MANY = REFUSAL.values[3:5]
_TEXT: Final = "text/plain; charset=utf-8"


def _nothing(reason: str) -> None:
    """Count nothing."""


class PageServer:
    """Serves an exposition on one address; nothing happens before `start`.

    Args:
        exposition: what ``/metrics`` answers.
        healthy: what ``/healthz`` answers: 200 where true, 503 otherwise.
        host: address to listen on.
        port: 0 for any free one.
        access: what it asks of those who want ``/metrics``.
        refused: called with the reason of each refusal, one of ``catalog.labels.REFUSAL``.

    Raises:
        RefusedError: the address is taken, or a certificate cannot be used.
    """

    def __init__(
        self,
        exposition: Exposition,
        *,
        healthy: Callable[[], bool],
        host: str = "127.0.0.1",
        port: int = 9464,
        access: Access = OPEN,
        refused: Callable[[str], None] = _nothing,
    ) -> None:
        tls = None if access.certificates is None else access.certificates.context()
        try:
            handler = type("Handler", (_Handler,), {"served": _Served(exposition, healthy, access, refused)})
            self._server = _Server((host, port), handler, tls, refused)
        except OSError as error:
            raise RefusedError(f"cannot serve /metrics on {host}:{port}: {error.strerror}") from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, name="inferometer-metrics", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening; answers under way end by their timeout."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def close_after_fork(self) -> None:
        """Close the inherited socket in a child; the thread exists in the parent only."""
        self._server.socket.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = MAX_CLIENTS

    def __init__(
        self,
        address: tuple[str, int],
        handler: type[BaseHTTPRequestHandler],
        tls: ssl.SSLContext | None,
        refused: Callable[[str], None],
    ) -> None:
        self._room = threading.BoundedSemaphore(MAX_CLIENTS)
        self._tls = tls
        self._refused = refused
        self.asking: dict[socket, float] = {}
        """Connections whose question is not whole, and until when it must be."""
        super().__init__(address, handler)

    def server_bind(self) -> None:
        # HTTPServer asks the resolver for this host's name, which can take seconds, and is not needed here.
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            self.asking[request] = time.monotonic() + ASK_SECONDS
            super().process_request(request, client_address)
        else:
            self._refused(_TOO_MANY)
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            # The handshake follows in this thread, so that a client that does not speak keeps nobody waiting.
            encrypted = (
                request
                if self._tls is None
                else self._tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
            )
            self.asking[encrypted] = self.asking.pop(request, 0.0)
            try:
                super().process_request_thread(encrypted, client_address)
            finally:
                self.asking.pop(encrypted, None)
        except OSError:
            _log.debug("a connection from %s was gone before it was served", client_address, exc_info=True)
            self.asking.pop(request, None)
        finally:
            self._room.release()

    def service_actions(self) -> None:
        """Give up clients that ask too slowly; called a few times a second."""
        now = time.monotonic()
        for connection, until in list(self.asking.items()):
            if until < now and self.asking.pop(connection, None) is not None:
                self._refused(_TOO_SLOW)
                with contextlib.suppress(OSError):
                    # Its thread wakes up, and closes it.
                    connection.shutdown(SHUT_RDWR)

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:  # noqa: ARG002 - as it is called
        # A scraper that leaves in the middle is no fault of the host's; its own `up` tells.
        _log.debug("a scrape from %s failed", client_address, exc_info=True)


@dataclass(frozen=True, slots=True)
class _Served:
    """What a page server answers with."""

    exposition: Exposition
    healthy: Callable[[], bool]
    access: Access
    refused: Callable[[str], None]


class _Handler(BaseHTTPRequestHandler):
    timeout = TIMEOUT_SECONDS
    server_version = "inferometer"
    sys_version = ""
    served: ClassVar[_Served]

    def parse_request(self) -> bool:
        whole = super().parse_request()
        if isinstance(self.server, _Server):
            self.server.asking.pop(self.connection, None)
        return whole

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._metrics()
        elif path == "/healthz":
            well = self.served.healthy()
            status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, _TEXT, b"ok\n" if well else b"not ready\n")
        else:
            self._answer(HTTPStatus.NOT_FOUND, _TEXT, b"/metrics and /healthz are here\n")

    def _metrics(self) -> None:
        if not self.served.access.admits(self.headers.get("Authorization", "")):
            self.served.refused(_UNAUTHORIZED)
            self._answer(HTTPStatus.UNAUTHORIZED, _TEXT, b"unauthorized\n")
            return
        page = self.served.exposition.respond(self.headers.get("Accept", ""), self.headers.get("Accept-Encoding", ""))
        self._answer(HTTPStatus.OK, page.content_type, page.body, page.content_encoding)
        page.fetched()

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes, encoding: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        if encoding:
            self.send_header("Content-Encoding", encoding)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        _log.debug(format, *args)
