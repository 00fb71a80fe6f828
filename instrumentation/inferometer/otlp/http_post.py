"""OTLP over HTTP: one connection that is kept open, TLS, gzip."""

import gzip
import http.client
import ssl
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from inferometer.errors import RefusedError
from inferometer.otlp.delivery import Answer, Verdict, accepted
from inferometer.otlp.endpoint import Endpoint

_AGAIN: Final = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)
"""Answers after which OTLP/HTTP says to try again; every other error is final."""
_OK: Final = range(200, 300)
_MAX_ANSWER: Final = 1 << 16


class HttpPost:
    """Posts to an endpoint.

    Args:
        endpoint: whom to.
        wall: seconds since the epoch, for a ``Retry-After`` that is a date.

    Raises:
        RefusedError: a certificate cannot be used.
    """

    def __init__(self, endpoint: Endpoint, *, wall: Callable[[], float] = time.time) -> None:
        url = urlsplit(endpoint.url)
        self._wall = wall
        self._compressed = endpoint.compressed
        self._connect = _connector(endpoint)
        self._path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        self._headers = {"content-type": "application/x-protobuf", "user-agent": "inferometer", **endpoint.headers}
        if endpoint.compressed:
            self._headers["content-encoding"] = "gzip"
        self._connection: http.client.HTTPConnection | None = None

    def send(self, body: bytes) -> Answer:
        """Post once; twice where the connection had been closed by the other side since the last time."""
        data = gzip.compress(body, 1, mtime=0) if self._compressed else body
        used = self._connection is not None
        try:
            return self._post(data)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if used and not isinstance(error, TimeoutError):
                return self.send(body)
            return Answer(Verdict.AGAIN, f"{type(error).__name__}: {error}")

    def _post(self, data: bytes) -> Answer:
        if self._connection is None:
            self._connection = self._connect()
        self._connection.request("POST", self._path, data, self._headers)
        response = self._connection.getresponse()
        answer = response.read(_MAX_ANSWER)
        if response.read(1):
            # Of what is left nobody wants to know; the next request needs a connection without it.
            self.close()
        if response.status in _OK:
            return accepted(answer)
        said = f"status {response.status}"
        if response.status in _AGAIN:
            return Answer(Verdict.AGAIN, said, self._after(response.getheader("Retry-After")))
        return Answer(Verdict.REFUSED, said)

    def _after(self, header: str | None) -> float | None:
        """Seconds that a ``Retry-After`` asks for: a number or a date."""
        if header is None:
            return None
        if header.strip().isdecimal():
            return float(header)
        try:
            return max(parsedate_to_datetime(header).timestamp() - self._wall(), 0.0)
        except ValueError:
            return None

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _connector(endpoint: Endpoint) -> Callable[[], http.client.HTTPConnection]:
    url = urlsplit(endpoint.url)
    host, port, timeout = url.hostname or "", url.port, endpoint.timeout_seconds
    if not endpoint.is_secure:
        return lambda: http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        context = ssl.create_default_context(cafile=endpoint.certificate)
        if endpoint.client_certificate is not None:
            context.load_cert_chain(endpoint.client_certificate, endpoint.client_key)
    except (OSError, ssl.SSLError) as error:
        raise RefusedError(f"cannot send traces to {endpoint.url}: a certificate cannot be used: {error}") from error
    return lambda: http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
