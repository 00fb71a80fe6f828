"""HTTP GET of an exporter's page: bounded in time and in bytes, whatever the other side does.

A socket's timeout bounds one call, not a server that sends a byte a second, and libraries on top of it know no other
bound. So all bytes are received here, against one deadline and one size; `http.client` reads the answer from memory.
"""

import re
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
from inferometer.fleet.page_access import PageAccess
from inferometer_exporters.pages.credentials import authorization, tls

TIMEOUT_SECONDS: Final = 2.0
MAX_PAGE_BYTES: Final = 8 << 20
"""Of a page as it is read; dcgm-exporter writes about 60 kB for 8 GPUs."""
_MAX_HEAD_BYTES: Final = 64 << 10
_RECEIVE_BYTES: Final = 64 << 10
_GZIP: Final = 16 + zlib.MAX_WBITS
_END_OF_HEAD: Final = b"\r\n\r\n"
_LAST_CHUNK: Final = b"\r\n0\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n", re.IGNORECASE)
_OK: Final = 200
_PORTS: Final = {"http": 80, "https": 443}
_DEFAULT_PATH: Final = "/metrics"
_WHO_ASKS: Final = (401, 403)
_CERTIFICATE: Final = "; cert_file is what it may ask for"


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
        if "@" in parts.netloc:
            # Not shown: what stands there is a password.
            raise RefusedError("a name before @ is no URL of a page: http://HOST:PORT/metrics is right")
        if parts.scheme not in _PORTS or not parts.hostname or not plain:
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
    access: PageAccess | None = None,
    seconds: float = TIMEOUT_SECONDS,
    limit: int = MAX_PAGE_BYTES,
    monotonic: Callable[[], float] = time.monotonic,
) -> bytes:
    """The bytes of a page.

    Args:
        url: of the page; redirects are not followed, so that nobody else is shown a secret.
        access: what the page asks for; None: nothing.
        seconds: for everything, from the connection to the last byte.
        limit: bytes of the page, as it is sent and as it is unpacked.
        monotonic: seconds.

    Raises:
        SourceError: nobody answers in time, or not with a whole page within the limit, or what the page asks for
            cannot be read.
    """
    shown = None if access is None else authorization(access)
    deadline = monotonic() + seconds

    def left() -> float:
        remaining = deadline - monotonic()
        if remaining <= 0:
            raise SourceError(f"{url}: no whole page within {seconds:g} s", why="timeout")
        return remaining

    try:
        with _connect(url, access or PageAccess(), left) as sock:
            sock.settimeout(left())
            sock.sendall(_request(url, shown))
            received = _receive(sock, url, limit, left)
    except TimeoutError as error:
        raise SourceError(f"{url}: no whole page within {seconds:g} s", why="timeout") from error
    except ssl.SSLError as error:
        raise SourceError(f"{url}: {_tls_said(error)}") from error
    except OSError as error:
        # Who wants a certificate may hang up before it has said so.
        broken_off = url.scheme == "https" and isinstance(error, ConnectionResetError | BrokenPipeError)
        raise SourceError(f"{url}: {error.strerror or error}{_CERTIFICATE if broken_off else ''}") from error
    return _page(received, url, limit, access)


def _tls_said(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        said = error.verify_message.rstrip(".")
        return f"its certificate is not trusted: {said}; ca_file names its authority, server_name the name in it"
    reason = (
        "it hung up" if isinstance(error, ssl.SSLEOFError) else (error.reason or str(error)).replace("_", " ").lower()
    )
    asks = any(word in reason for word in ("hung up", "certificate required", "handshake failure"))
    return f"no TLS with it: {reason}{_CERTIFICATE if asks else ''}"


def _connect(url: PageUrl, access: PageAccess, left: Callable[[], float]) -> socket.socket:
    context = None if url.scheme == "http" else tls(access)
    sock = socket.create_connection((url.host, url.port), timeout=left())
    if context is None:
        return sock
    sock.settimeout(left())
    try:
        return context.wrap_socket(sock, server_hostname=access.server_name or url.host)
    except OSError:
        sock.close()
        raise


def _request(url: PageUrl, authorization: str | None) -> bytes:
    host = f"[{url.host}]" if ":" in url.host else url.host
    lines = (
        f"GET {url.path} HTTP/1.1",
        f"Host: {host}:{url.port}",
        "Accept: text/plain;version=0.0.4",
        "Accept-Encoding: gzip",
        "User-Agent: inferometer",
        *(() if authorization is None else (f"Authorization: {authorization}",)),
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
        # Some servers, TorchServe's among them, keep the connection open whatever they are asked.
        if _is_whole(received):
            return bytes(received)


def _is_whole(received: bytearray) -> bool:
    """Whether an answer says itself that nothing more comes."""
    end = received.find(_END_OF_HEAD, 0, _MAX_HEAD_BYTES)
    if end < 0:
        return False
    head = bytes(received[:end]) + b"\r\n"
    if _CHUNKED.search(head):
        return received.endswith(_LAST_CHUNK)
    length = _LENGTH.search(head)
    return length is not None and len(received) - end - len(_END_OF_HEAD) >= int(length[1])


class _Received:
    """What `HTTPResponse` takes for a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _: str) -> BytesIO:
        return BytesIO(self._data)


def _page(received: bytes, url: PageUrl, limit: int, access: PageAccess | None) -> bytes:
    response = HTTPResponse(_Received(received))  # type: ignore[arg-type]  # it asks for nothing but makefile()
    try:
        response.begin()
        body = response.read()
    except (HTTPException, ValueError) as error:
        raise SourceError(f"{url}: no whole answer: {error or type(error).__name__}") from error
    if response.status != _OK:
        raise SourceError(f"{url}: answers {response.status} {response.reason}{_who(response.status, access)}")
    encoding = response.getheader("Content-Encoding", "identity").strip().lower()
    if encoding == "gzip":
        body = _unpack(body, url, limit)
    elif encoding != "identity":
        raise SourceError(f"{url}: is encoded as {encoding!r}, gzip is right", why="unreadable")
    if len(body) > limit:
        raise _too_large(url, limit)
    return body


def _who(status: int, access: PageAccess | None) -> str:
    """What the other side's no means, where it is about who asks."""
    if status not in _WHO_ASKS:
        return ""
    file = None if access is None else access.token_file or access.password_file
    if file is None:
        return (
            "; it asks who that is: token_file, or username and password_file, say it"
            " (`access` in fleet.yaml, --gpu-page-… for GPUs)"
        )
    return f"; it does not take what {file} holds"


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
