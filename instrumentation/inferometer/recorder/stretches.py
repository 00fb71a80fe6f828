"""Many short times of a stream, told as few intervals: their sums are exact, their places are near."""

from typing import TYPE_CHECKING, Final

from inferometer.catalog.stages import Kind, Stage

if TYPE_CHECKING:
    from inferometer.recorder.request import OpenRequest

READ: Final = 0
DECODE: Final = 1
ENCODE: Final = 2
SEND: Final = 3
_STAGES: Final = (
    (Stage.NETWORK, Kind.READ),
    (Stage.DESERIALIZE, Kind.NONE),
    (Stage.SERIALIZE, Kind.NONE),
    (Stage.NETWORK, Kind.SEND),
)
_ROUND: Final = 64
"""Intervals after which each one holds twice as many times: a million times are about a thousand intervals."""


class Stretches:
    """Times of one stream, in the thread that works on it; they do not overlap one another.

    The first 64 are told as they were. Later ones are summed and told together, one after the other up to the end of
    the last of them: there are as many of them as there was room for, since they did not overlap.
    """

    __slots__ = ("_at_once", "_sums", "_told", "_until", "_waiting")

    def __init__(self) -> None:
        self._sums = [0, 0, 0, 0]
        self._at_once = 1
        self._waiting = self._told = self._until = 0

    def add(self, request: "OpenRequest", what: int, start: int, end: int) -> None:
        """A stretch of *request*, ns of CLOCK_MONOTONIC; *what* is `READ`, `DECODE`, `ENCODE` or `SEND`."""
        self._sums[what] += end - start
        self._until = end
        self._waiting += 1
        if self._waiting >= self._at_once:
            self.tell(request)

    def tell(self, request: "OpenRequest") -> None:
        """Give what waits to the request: call it once more when the stream has ended."""
        sums, end = self._sums, self._until
        for what, (stage, kind) in enumerate(_STAGES):
            length = sums[what]
            if length:
                request.add_interval(end - length, end, stage, kind)
                end -= length
                sums[what] = 0
                self._told += 1
                if not self._told % _ROUND:
                    self._at_once *= 2
        self._waiting = 0
