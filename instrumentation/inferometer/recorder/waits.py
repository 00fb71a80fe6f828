"""Times for which a stream waited for its client: bounded in number, exact in sum."""

from array import array
from collections.abc import Iterator
from typing import Final

LIMIT: Final = 256
"""Intervals kept of one request; where there are more, neighbours are put together."""


class Waits:
    """Waits of one stream, in order.

    When there are more than `LIMIT`, each two neighbours become one interval that begins with the first and is as long
    as both: between two waits only the endpoint worked, so that the time of every stage stays exact, only its place
    moves.
    """

    __slots__ = ("_each", "_length", "_number", "_pairs", "_start")

    def __init__(self) -> None:
        self._pairs = array("q")
        """Start and length, ns, in turn."""
        self._each = 1
        """Waits that make one interval."""
        self._start = self._length = self._number = 0

    def add(self, start: int, end: int) -> None:
        """It waited from *start* to *end*, ns of CLOCK_MONOTONIC."""
        if not self._number:
            self._start = start
        self._length += end - start
        self._number += 1
        if self._number >= self._each:
            self._pairs.extend((self._start, self._length))
            self._length = self._number = 0
            if len(self._pairs) >= 2 * LIMIT:
                self._halve()

    def intervals(self) -> Iterator[tuple[int, int]]:
        """(start, end) of each, in order; they do not overlap."""
        pairs = self._pairs
        for index in range(0, len(pairs), 2):
            yield pairs[index], pairs[index] + pairs[index + 1]
        if self._number:
            yield self._start, self._start + self._length

    def _halve(self) -> None:
        pairs = self._pairs
        halved = array("q")
        for index in range(0, len(pairs), 4):
            halved.extend((pairs[index], pairs[index + 1] + pairs[index + 3]))
        self._pairs = halved
        self._each *= 2
