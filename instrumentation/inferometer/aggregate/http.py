"""A small server for ``/metrics`` and ``/healthz``; threads, loopback, bounded."""

import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import Any, Final

from inferometer.aggregate.exposition import Exposition
from inferometer.errors import RefusedError

_log = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 10.0
"""A client that takes longer to ask or to read is cut off."""
MAX_CLIENTS: Final = 16
"""Scrapes at once; more are closed at once, so that nobody can pile up threads in a model server."""


class PageServer:
    """Serves an exposition on one address; nothing happens before `start`.

    Args:
        exposition: what ``/metrics`` answers.
        healthy: what ``/healthz`` answers: 200 where true, 503 otherwise.
        host: address to listen on.
        port: 0 for any free one.

    Raises:
        RefusedError: the address is taken.
    """

    def __init__(
        self, exposition: Exposition, *, healthy: Callable[[], bool], host: str = "127.0.0.1", port: int = 9464
    ) -> None:
        try:
            self._server = _Server((host, port), _handler(exposition, healthy))
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

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._room = threading.BoundedSemaphore(MAX_CLIENTS)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:  # noqa: ARG002
        # A scraper that leaves in the middle is no fault of the host's; its own `up` tells.
        _log.debug("a scrape from %s failed", client_address, exc_info=True)


def _handler(exposition: Exposition, healthy: Callable[[], bool]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT_SECONDS
        server_version = "inferometer"
        sys_version = ""

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                page = exposition.respond(self.headers.get("Accept", ""), self.headers.get("Accept-Encoding", ""))
                self._answer(HTTPStatus.OK, page.content_type, page.body, page.content_encoding)
                page.fetched()
            elif path == "/healthz":
                well = healthy()
                status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, "text/plain; charset=utf-8", b"ok\n" if well else b"not ready\n")
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"/metrics and /healthz are here\n")

        def _answer(self, status: HTTPStatus, content_type: str, body: bytes, encoding: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            if encoding:
                self.send_header("Content-Encoding", encoding)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            _log.debug(format, *args)

    return Handler
