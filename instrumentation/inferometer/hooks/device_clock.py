"""A device's clock mapped to the host's: an event that was recorded and seen at a known time, from which others count.

The elapsed time between two events is a 32-bit float of milliseconds: at 8 s its last digit is 1 us, at an hour it is
0.25 ms. So no anchor serves longer than 8 s.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

ANCHOR_NS: Final = 8 * 10**9
"""How long an anchor serves."""
RETRY_NS: Final = 10**8
"""Pause after a device did not answer in time."""
SPIN_NS: Final = 200_000
"""Longest wait for one answer of the device."""
_TRIES: Final = 5
_NS_PER_MS: Final = 1e6


class Event(Protocol):
    """A moment on a device: recorded into a stream, reached when all before it in that stream is done."""

    def record(self, stream: Any) -> None:
        """Put it into *stream*, again or for the first time."""

    def query(self) -> bool:
        """Whether it was reached; waits for nothing."""

    def elapsed_time(self, end: Any) -> float:
        """Milliseconds from this to *end*, both reached, on one device."""


class Runtime(Protocol):
    """What is needed of a device's runtime."""

    def event(self) -> Event:
        """A new event that can be timed."""

    def stream(self, device: int) -> Any:
        """The stream into which this thread launches on *device* now."""

    def idle_stream(self, device: int) -> Any:
        """A stream of our own, in which nothing waits for anything."""

    def capturing(self, device: int) -> bool:
        """Whether what this thread launches on *device* now is captured into a graph and not run."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """An event, and when on the host's clock it was reached."""

    event: Event
    at: int
    """ns of CLOCK_MONOTONIC: the middle of the time between its record and the answer."""
    error_ns: int
    """Half of that time."""

    def time_of(self, event: Event) -> int:
        """When *event*, which was reached, was reached in ns of CLOCK_MONOTONIC."""
        return self.at + elapsed_ns(self.event, event)


def elapsed_ns(first: Event, last: Event) -> int:
    """Nanoseconds from *first* to *last*, both reached."""
    return round(first.elapsed_time(last) * _NS_PER_MS)


def measure(runtime: Runtime, device: int, now: Callable[[], int] = time.monotonic_ns) -> Anchor | None:
    """The best of five anchors; None where the device answered none of them in time.

    An event in an idle stream is reached at once, whatever the other streams do: between its record and the first
    answer that says so. The narrower that is, the better.
    """
    stream = runtime.idle_stream(device)
    best: Anchor | None = None
    for _ in range(_TRIES):
        event = runtime.event()
        event.record(stream)  # an event is only made when it is first recorded, and that takes long
        before = now()
        event.record(stream)
        after = before
        while not (reached := event.query()) and after - before < SPIN_NS:
            after = now()
        after = now()
        if reached and (best is None or after - before < 2 * best.error_ns):
            best = Anchor(event, (before + after) // 2, max((after - before) // 2, 1))
    return best
