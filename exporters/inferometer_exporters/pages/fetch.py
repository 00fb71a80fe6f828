"""HTTP GET of an exporter's page: bounded in time and in bytes, whatever the other side does.

A socket's timeout bounds one call, not a server that sends a byte a second, and libraries on top of it know no other
bound. So all bytes are received here, against one deadline and one size; `http.client` reads the answer from memory.
"""

import socket
import ssl
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from io import BytesIO
from typing import Final
from urllib.parse import urlsplit

from inferometer.errors import RefusedError, SourceError

TIMEOUT_SECONDS: Final = 2.0
MAX_PAGE_BYTES: Final = 8 << 20
"""Of a page as it is read; dcgm-exporter writes about 60 kB for 8 GPUs."""
_MAX_HEAD_BYTES: Final = 64 << 10
_RECEIVE_BYTES: Final = 64 << 10
_GZIP: Final = 16 + zlib.MAX_WBITS
_OK: Final = 200
_PORTS: Final = {"http": 80, "https": 443}
_DEFAULT_PATH: Final = "/metrics"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageUrl:
    """Where a page is."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, text: str) -> "PageUrl":
        """An http or https URL; without a path it is that of ``/metrics``.

        Raises:
            RefusedError: it is no such URL.
        """
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise RefusedError(f"{text!r} is no URL of a page: {error}") from error
        plain = text.isascii() and text.isprintable() and " " not in text
        if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc or not plain:
            raise RefusedError(f"{text!r} is no URL of a page: http://HOST:PORT/metrics is right")
        path = (parts.path or _DEFAULT_PATH) + (f"?{parts.query}" if parts.query else "")
        return cls(scheme=parts.scheme, host=parts.hostname, port=port or _PORTS[parts.scheme], path=path)

    def __str__(self) -> str:
        """The whole URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def fetch(
    url: PageUrl,
    *,
    seconds: float = TIMEOUT_SECONDS,
    limit: int = MAX_PAGE_BYTES,
    monotonic: Callable[[], float] = time.monotonic,
) -> bytes:
    """The bytes of a page.

    Args:
        url: of the page; redirects are not followed.
        seconds: for everything, from the connection to the last byte.
        limit: bytes of the page, as it is sent and as it is unpacked.
        monotonic: seconds.

    Raises:
        SourceError: nobody answers in time, or not with a whole page within the limit.
    """
    deadline = monotonic() + seconds

    def left() -> float:
        remaining = deadline - monotonic()
        if remaining <= 0:
            raise SourceError(f"{url}: no whole page within {seconds:g} s", why="timeout")
        return remaining

    try:
        with _connect(url, left) as sock:
            sock.settimeout(left())
            sock.sendall(_request(url))
            received = _receive(sock, url, limit, left)
    except TimeoutError as error:
        raise SourceError(f"{url}: no whole page within {seconds:g} s", why="timeout") from error
    except OSError as error:
        raise SourceError(f"{url}: {error.strerror or error}") from error
    return _page(received, url, limit)


def _connect(url: PageUrl, left: Callable[[], float]) -> socket.socket:
    sock = socket.create_connection((url.host, url.port), timeout=left())
    if url.scheme == "http":
        return sock
    sock.settimeout(left())
    try:
        return ssl.create_default_context().wrap_socket(sock, server_hostname=url.host)
    except OSError:
        sock.close()
        raise


def _request(url: PageUrl) -> bytes:
    host = f"[{url.host}]" if ":" in url.host else url.host
    lines = (
        f"GET {url.path} HTTP/1.1",
        f"Host: {host}:{url.port}",
        "Accept: text/plain;version=0.0.4",
        "Accept-Encoding: gzip",
        "User-Agent: inferometer",
        "Connection: close",
        "",
        "",
    )
    return "\r\n".join(lines).encode("ascii")


def _receive(sock: socket.socket, url: PageUrl, limit: int, left: Callable[[], float]) -> bytes:
    received = bytearray()
    while True:
        sock.settimeout(left())
        data = sock.recv(_RECEIVE_BYTES)
        if not data:
            return bytes(received)
        received += data
        if len(received) > limit + _MAX_HEAD_BYTES:
            raise _too_large(url, limit)


class _Received:
    """What `HTTPResponse` takes for a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _: str) -> BytesIO:
        return BytesIO(self._data)


def _page(received: bytes, url: PageUrl, limit: int) -> bytes:
    response = HTTPResponse(_Received(received))  # type: ignore[arg-type]  # it asks for nothing but makefile()
    try:
        response.begin()
        body = response.read()
    except (HTTPException, ValueError) as error:
        raise SourceError(f"{url}: no whole answer: {error or type(error).__name__}") from error
    if response.status != _OK:
        raise SourceError(f"{url}: answers {response.status} {response.reason}")
    encoding = response.getheader("Content-Encoding", "identity").strip().lower()
    if encoding == "gzip":
        body = _unpack(body, url, limit)
    elif encoding != "identity":
        raise SourceError(f"{url}: is encoded as {encoding!r}, gzip is right", why="unreadable")
    if len(body) > limit:
        raise _too_large(url, limit)
    return body


def _unpack(packed: bytes, url: PageUrl, limit: int) -> bytes:
    """Unpack one gzip member, never more of it than *limit* and a byte."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        data = unpacker.decompress(packed, limit + 1)
    except zlib.error as error:
        raise SourceError(f"{url}: cannot be unpacked: {error}", why="unreadable") from error
    if len(data) > limit:
        raise _too_large(url, limit)
    if not unpacker.eof or unpacker.unused_data:
        raise SourceError(f"{url}: cannot be unpacked: it is cut short, or more follows", why="unreadable")
    return data


def _too_large(url: PageUrl, limit: int) -> SourceError:
    return SourceError(f"{url}: larger than {limit} bytes", why="too_large")
