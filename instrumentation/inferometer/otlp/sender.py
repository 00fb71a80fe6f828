"""Posts encoded traces to an OTLP/HTTP endpoint: a thread, a bounded queue, retries, exact counts of what was lost."""

import gzip
import http.client
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from inferometer.errors import RefusedError

_log = logging.getLogger(__name__)

MAX_BYTES: Final = 2 << 20
"""Bytes of traces that wait; more are dropped, and counted. They are part of a state that is written often."""
MAX_POST: Final = 1 << 20
"""Bytes per request, before compression."""
TIMEOUT_SECONDS: Final = 10.0
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 30.0
_RETRIED: Final = frozenset({429, 502, 503, 504})
"""Answers after which OTLP/HTTP says to try again; every other error is final."""
_OK: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class Unit:
    """Encoded traces that are sent, accepted or dropped together."""

    number: int
    """Names the unit towards whoever put it in."""
    data: bytes
    """A whole ``ExportTraceServiceRequest``."""
    spans: int
    traces: int = 1


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of units since the last look."""

    accepted: Sequence[Unit] = ()
    rejected: Sequence[Unit] = ()
    """The endpoint said no, finally."""
    failures: int = 0
    """Attempts that failed and are tried again."""


@dataclass(slots=True)
class _Results:
    accepted: list[Unit] = field(default_factory=list)
    rejected: list[Unit] = field(default_factory=list)
    failures: int = 0


class Sender:
    """Sends units in order, many per request; nothing is sent before `start`.

    A unit stays in the queue until the endpoint has answered for it.

    Args:
        endpoint: whole URL, such as ``http://127.0.0.1:4318/v1/traces``.
        headers: sent with every request.
        max_bytes: of units that wait.
        first_wait: seconds before the first retry; doubles with each, up to half a minute.
        monotonic: seconds.

    Raises:
        RefusedError: the endpoint is no http or https URL.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        headers: dict[str, str] | None = None,
        max_bytes: int = MAX_BYTES,
        first_wait: float = _FIRST_WAIT,
        timeout: float = TIMEOUT_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        url = urlsplit(endpoint)
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise RefusedError(f"cannot send traces to {endpoint!r}: an http or https URL is right")
        self.endpoint = endpoint
        self._connect = _connector(url.scheme, url.hostname, url.port, timeout)
        self._path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        self._headers = {
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "gzip",
            "User-Agent": "inferometer",
            **(headers or {}),
        }
        self._max_bytes = max_bytes
        self._first_wait = first_wait
        self._monotonic = monotonic
        self._queue: deque[Unit] = deque()
        self._bytes = 0
        self._results = _Results()
        self._wake = threading.Condition()
        self._closing = False
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._run, name="inferometer-otlp", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def put(self, unit: Unit) -> bool:
        """Queue a unit.

        Returns:
            False where there is no room; the caller counts the loss.
        """
        with self._wake:
            if self._bytes + len(unit.data) > self._max_bytes:
                return False
            self._queue.append(unit)
            self._bytes += len(unit.data)
            self._wake.notify()
            return True

    def settled(self) -> Settled:
        """What became of units since the last call."""
        with self._wake:
            results, self._results = self._results, _Results()
        return Settled(results.accepted, results.rejected, results.failures)

    @property
    def waiting(self) -> int:
        """Units in the queue."""
        return len(self._queue)

    def close(self, *, seconds: float = 2.0) -> None:
        """Send what waits, for at most *seconds*, and stop."""
        with self._wake:
            self._closing = True
            self._deadline = self._monotonic() + seconds
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(seconds + 0.5)

    def _run(self) -> None:
        connection: http.client.HTTPConnection | None = None
        wait = self._first_wait
        while (units := self._next()) is not None:
            body = gzip.compress(b"".join(unit.data for unit in units), 1, mtime=0)
            used = connection is not None
            connection = connection or self._connect()
            try:
                connection.request("POST", self._path, body, self._headers)
                response = connection.getresponse()
                response.read()
                status, after = response.status, response.getheader("Retry-After")
            except (OSError, http.client.HTTPException) as error:
                _log.debug("traces could not be sent to %s: %s", self.endpoint, error)
                connection.close()
                connection = None
                if used:
                    # Kept open since the last request, closed by the other side meanwhile: no failure yet.
                    continue
                status, after = http.HTTPStatus.SERVICE_UNAVAILABLE, None
            if status in _RETRIED:
                self._failed()
                self._pause(_retry_after(after, wait))
                wait = min(wait * 2, _LONGEST_WAIT)
                continue
            wait = self._first_wait
            if status not in _OK:
                _log.warning("%s refused %d traces with status %d", self.endpoint, len(units), status)
            self._done(units, accepted=status in _OK)
        if connection is not None:
            connection.close()

    def _next(self) -> list[Unit] | None:
        """Units for one request, in order, left in the queue; None when it is time to stop."""
        with self._wake:
            while not self._queue and not self._closing:
                self._wake.wait()
            if not self._queue or self._monotonic() >= self._deadline:
                return None
            units: list[Unit] = []
            size = 0
            for unit in self._queue:
                size += len(unit.data)
                if units and size > MAX_POST:
                    break
                units.append(unit)
            return units

    def _done(self, units: list[Unit], *, accepted: bool) -> None:
        with self._wake:
            for _ in units:
                self._bytes -= len(self._queue.popleft().data)
            (self._results.accepted if accepted else self._results.rejected).extend(units)

    def _failed(self) -> None:
        with self._wake:
            self._results.failures += 1

    def _pause(self, seconds: float) -> None:
        until = self._monotonic() + seconds
        with self._wake:
            while (left := min(until, self._deadline) - self._monotonic()) > 0:
                self._wake.wait(left)


def _connector(scheme: str, host: str, port: int | None, timeout: float) -> Callable[[], http.client.HTTPConnection]:
    if scheme == "https":
        return lambda: http.client.HTTPSConnection(host, port, timeout=timeout)
    return lambda: http.client.HTTPConnection(host, port, timeout=timeout)


def _retry_after(header: str | None, wait: float) -> float:
    """Seconds until the next try: what the endpoint asks for, else *wait* with jitter, so that workers do not march."""
    if header is not None and header.isdigit():
        return min(float(header), _LONGEST_WAIT)
    return wait * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards nothing
