"""What a device's energy counter said, and what of it falls into a window; in whole microjoules that sum exactly."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_SPANS: Final = 600
"""Readings that wait for the ledger: ten minutes of them, where the ledger stands still for that long."""
LEARNED_NS: Final = 200_000_000
"""Shortest time without work that says what a device draws then."""


@dataclass(frozen=True, slots=True)
class Span:
    """Energy between two readings."""

    begin: int
    """CLOCK_MONOTONIC ns, as the next."""
    end: int
    microjoules: int

    def until(self, at: int) -> int:
        """Microjoules from the beginning to *at*, at the mean power of the span."""
        return self.microjoules * (min(max(at, self.begin), self.end) - self.begin) // (self.end - self.begin)


class Meter:
    """The energy of one device, as far as its counter was read."""

    def __init__(self) -> None:
        self._spans: deque[Span] = deque()
        self._idle: tuple[int, int] | None = None

    def add(self, begin: int, end: int, microjoules: int, since: int) -> int:
        """Take in what was used between two readings.

        Args:
            begin: CLOCK_MONOTONIC ns, as the next; spans come in order and do not overlap.
            end: of the second reading.
            microjoules: used.
            since: the ledger has settled the device up to here.

        Returns:
            Microjoules that came too late: of time that is settled.
        """
        span = Span(begin, end, microjoules)
        late = span.until(since)
        if since < end:
            self._spans.append(Span(max(since, begin), end, microjoules - late))
        while len(self._spans) > MAX_SPANS:
            late += self._spans.popleft().microjoules
        return late

    def edge(self, since: int, until: int) -> int:
        """End of the longest window from *since* to *until* at most that lies in one span, or in none."""
        while self._spans and self._spans[0].end <= since:
            self._spans.popleft()
        if not self._spans:
            return until
        first = self._spans[0]
        return min(until, first.end if first.begin <= since else first.begin)

    def take(self, since: int, until: int) -> int | None:
        """Microjoules of a window that `edge` gave; None where nobody knows."""
        if not self._spans or self._spans[0].begin > since:
            return None
        span = self._spans[0]
        return span.until(until) - span.until(since)

    def learn(self, microjoules: int, ns: int) -> None:
        """A window of *ns* without any work used that much: what the device draws when it has none."""
        if ns >= LEARNED_NS:
            self._idle = (microjoules, ns)

    def idle(self, microjoules: int, quiet: int, span: int) -> int:
        """Of a window's energy what belongs to its *quiet* ns of *span*.

        By the power that the device drew when it last had no work at all; by time alone where that was never seen.
        """
        if self._idle is None:
            return microjoules * quiet // span
        used, ns = self._idle
        return min(microjoules, used * quiet // ns) if quiet < span else microjoules

    def waiting(self, since: int) -> int:
        """Microjoules of time after *since* in ns, up to which the ledger has settled the device."""
        return sum(span.microjoules - span.until(since) for span in self._spans)

    def rest(self, since: int) -> int:
        """Forget what waits; microjoules of time after *since* that nobody will ask for."""
        left = self.waiting(since)
        self._spans.clear()
        return left

    def to_json(self) -> dict[str, Any]:
        """The form in which it stands in the state file."""
        return {"spans": [[span.begin, span.end, span.microjoules] for span in self._spans], "idle": self._idle}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Meter":
        """Read it.

        Raises:
            TypeError: it is not the form of `to_json`.
            KeyError: a part is missing.
        """
        meter = cls()
        meter._spans.extend(Span(*span) for span in data["spans"])
        idle = data["idle"]
        meter._idle = None if idle is None else (int(idle[0]), int(idle[1]))
        return meter
