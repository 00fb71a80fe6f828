"""The clock of another kernel, told by when its messages arrive; wall clocks have no part in it."""

from collections import deque
from typing import Final

WINDOW_NS: Final = 30 * 10**9
"""A worker sends four frames a second: of these more than a hundred some came without a delay."""
TOLERANCE_NS: Final = 100 * 10**6
"""How much a clock may seem to lag before it is believed: less is the delay of messages."""


class DistantClock:
    """How far a clock is behind ours: what is to be added to its stamps.

    A message arrives after it was made, so ours at its arrival less theirs at its making is the difference and a
    delay. The smallest such number is the best; with it no stamp lies in the future. A virtual machine that was
    suspended falls behind: its numbers are larger from then on.

    Args:
        window_ns: for so long the smallest number is remembered.
    """

    def __init__(self, window_ns: int = WINDOW_NS) -> None:
        self._window_ns = window_ns
        self._seen: deque[tuple[int, int]] = deque()
        """(arrival, number), of which none is followed by a smaller one."""
        self._began: int | None = None
        self.shift_ns: int | None = None
        """None before the first message."""

    def message(self, made_ns: int, arrived_ns: int) -> int:
        """Take in a message that was made at *made_ns* by their clock and came at *arrived_ns* by ours; the shift."""
        number = arrived_ns - made_ns
        while self._seen and self._seen[-1][1] >= number:
            self._seen.pop()
        self._seen.append((arrived_ns, number))
        if self._began is None:
            self._began = arrived_ns
        while self._seen[0][0] < arrived_ns - self._window_ns:
            self._seen.popleft()
        smallest = self._seen[0][1]
        if self.shift_ns is None or smallest < self.shift_ns:
            self.shift_ns = smallest
        elif smallest > self.shift_ns + TOLERANCE_NS and arrived_ns - self._began >= self._window_ns:
            self.shift_ns = smallest
            self._began = arrived_ns
        return self.shift_ns
