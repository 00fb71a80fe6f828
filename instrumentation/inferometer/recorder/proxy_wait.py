"""The wait in front of a proxy: ``X-Request-Start`` and ``X-Queue-Start``, in the dialects that are in use.

nginx writes seconds with a fraction (``t=1700000000.123``), Heroku milliseconds, Apache microseconds (``t=…``), others
nanoseconds; the magnitude tells which. The time is the proxy's own: it is no part of the duration, and a clock that
says what cannot be is counted, not believed.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

HEADERS: Final = (b"x-request-start", b"x-queue-start")
LONGEST_NS: Final = 600 * 10**9
"""A longer wait is a wrong clock."""
LONGEST_IN_QUEUE_NS: Final = 7 * 24 * 3600 * 10**9
"""The same for a message: queues hold theirs for days, seven by default in Kafka."""
_MAX_BYTES: Final = 40
_UNITS: Final = (10**9, 10**6, 10**3, 1)
_SHORTEST: Final = 9
"""Digits of whole seconds; today's are 10, those of the other units 13, 16 and 19."""
_FRACTION_DIGITS: Final = 9


def parse_time(value: bytes) -> int | None:
    """Wall time in ns of such a header; None where it is none. Of several, joined by commas, the first counts."""
    text = value[: _MAX_BYTES + 1].partition(b",")[0].strip()
    if len(text) > _MAX_BYTES:
        return None
    whole, _, fraction = text.removeprefix(b"t=").partition(b".")
    magnitude = (len(whole) - _SHORTEST) // 3
    if not 0 <= magnitude < len(_UNITS) or not whole.isdigit() or (fraction and not fraction.isdigit()):
        return None
    unit = _UNITS[magnitude]
    part = int(fraction[:_FRACTION_DIGITS].ljust(_FRACTION_DIGITS, b"0")) if fraction else 0
    return int(whole) * unit + part * unit // 10**_FRACTION_DIGITS


class ProxyClock:
    """Turns the headers into waits, and counts those that cannot be.

    Args:
        wall_ns: this host's wall clock.
        monotonic_ns: the clock of all stamps.
    """

    def __init__(
        self, *, wall_ns: Callable[[], int] = time.time_ns, monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._lock = threading.Lock()
        self._skews = 0

    def wait_ns(self, headers: Mapping[bytes, bytes], begun: int) -> int:
        """The wait before a request that began at CLOCK_MONOTONIC *begun*, in ns; 0 where it is unknown."""
        for name in HEADERS:
            value = headers.get(name)
            there = parse_time(value) if value is not None else None
            if there is not None:
                return self._since(there, begun, LONGEST_NS)
        return 0

    def since_ns(self, queued: int, begun: int) -> int:
        """The wait of a message that was put into a queue at *queued*, ns of wall time; 0 where it is unknown."""
        return self._since(queued, begun, LONGEST_IN_QUEUE_NS)

    def _since(self, there: int, begun: int, longest: int) -> int:
        wait = self._wall_ns() - (self._monotonic_ns() - begun) - there
        if 0 <= wait <= longest:
            return wait
        with self._lock:
            self._skews += 1
        return 0

    def skews(self) -> int:
        """Waits since the start that were negative or too long."""
        return self._skews

    def after_fork(self) -> None:
        """Count from 0: the parent process tells of its own."""
        self._lock = threading.Lock()
        self._skews = 0
