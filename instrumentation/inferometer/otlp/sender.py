"""Sends encoded traces to a receiver of OTLP: a thread, a bounded queue, retries, exact counts of what was lost."""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from inferometer.otlp.delivery import Answer, Delivery, Verdict
from inferometer.otlp.endpoint import Endpoint, Protocol
from inferometer.otlp.grpc_export import GrpcExport
from inferometer.otlp.http_post import HttpPost

_log = logging.getLogger(__name__)

MAX_BYTES: Final = 2 << 20
"""Bytes of traces that wait; more are dropped, and counted. They are part of a state that is written often."""
MAX_POST: Final = 1 << 20
"""Bytes per request, before compression."""
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 30.0


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
    rejected_spans: int = 0
    """Spans of accepted units that the endpoint left out."""


@dataclass(slots=True)
class _Results:
    accepted: list[Unit] = field(default_factory=list)
    rejected: list[Unit] = field(default_factory=list)
    failures: int = 0
    rejected_spans: int = 0


class Sender:
    """Sends units in order, many per request; nothing is sent before `start`.

    A unit stays in the queue until the endpoint has answered for it.

    Args:
        endpoint: the receiver; a text is its whole URL, such as ``http://127.0.0.1:4318/v1/traces``.
        max_bytes: of units that wait.
        first_wait: seconds before the first retry; doubles with each, up to half a minute.
        monotonic: seconds.

    Raises:
        RefusedError: the endpoint is no http or https URL, or a certificate of it cannot be used.
    """

    def __init__(
        self,
        endpoint: Endpoint | str,
        *,
        max_bytes: int = MAX_BYTES,
        first_wait: float = _FIRST_WAIT,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        receiver = Endpoint(url=endpoint) if isinstance(endpoint, str) else endpoint
        self.endpoint = receiver.url
        self._delivery: Delivery = GrpcExport(receiver) if receiver.protocol is Protocol.GRPC else HttpPost(receiver)
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
        return Settled(results.accepted, results.rejected, results.failures, results.rejected_spans)

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
        wait = self._first_wait
        while (units := self._next()) is not None:
            answer = self._send(b"".join(unit.data for unit in units))
            if answer.verdict is Verdict.AGAIN:
                _log.debug("traces could not be sent to %s: %s", self.endpoint, answer.said)
                self._failed()
                self._pause(_retry_after(answer.after_seconds, wait))
                wait = min(wait * 2, _LONGEST_WAIT)
                continue
            wait = self._first_wait
            if answer.verdict is Verdict.REFUSED:
                _log.warning("%s refused %d traces: %s", self.endpoint, len(units), answer.said)
            elif answer.rejected_spans:
                _log.warning("%s left out %d spans: %s", self.endpoint, answer.rejected_spans, answer.said)
            self._done(units, answer)
        self._delivery.close()

    def _send(self, body: bytes) -> Answer:
        try:
            return self._delivery.send(body)
        except Exception as error:  # noqa: BLE001 - the edge: this thread must outlive whatever a library does
            return Answer(Verdict.AGAIN, f"{type(error).__name__}: {error}")

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

    def _done(self, units: list[Unit], answer: Answer) -> None:
        with self._wake:
            for _ in units:
                self._bytes -= len(self._queue.popleft().data)
            took = answer.verdict is Verdict.ACCEPTED
            (self._results.accepted if took else self._results.rejected).extend(units)
            self._results.rejected_spans += answer.rejected_spans

    def _failed(self) -> None:
        with self._wake:
            self._results.failures += 1

    def _pause(self, seconds: float) -> None:
        until = self._monotonic() + seconds
        with self._wake:
            while (left := min(until, self._deadline) - self._monotonic()) > 0:
                self._wake.wait(left)


def _retry_after(asked: float | None, wait: float) -> float:
    """Seconds until the next try: what the endpoint asks for, else *wait* with jitter, so that workers do not march."""
    if asked is not None:
        return min(asked, _LONGEST_WAIT)
    return wait * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards nothing
