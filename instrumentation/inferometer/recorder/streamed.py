"""A streamed answer, looked at part by part: the ways that need no look at what is inside."""

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from operator import sub
from typing import Final

from inferometer.catalog.requests import INTER_TOKEN
from inferometer.catalog.sketch import TOP, sketch
from inferometer.recorder.usage import TAIL, stated

GAP_BOUNDS: Final = sketch(TOP[INTER_TOKEN.unit], INTER_TOKEN.scale)
"""Upper boundaries of the buckets of times between tokens, ns; tokens handed over together are 0 ns apart: bucket 0."""
HEAD: Final = 4096
"""Bytes at the beginning of a line in which content is looked for; a larger part does not wait."""
TOGETHER: Final = 32
"""Parts that wait until they are looked at: in one loop each costs less."""
_LAST_BUCKET: Final = len(GAP_BOUNDS) - 1
MAX_STAMPS: Final = 256
"""Tokens whose times are binned together."""
_BYTES: Final = {bytes}


class Streamed(ABC):
    """What is known of the tokens of one streamed answer.

    Parts are looked at a few at a time; whoever is in a hurry appends to `chunks` and `times` and calls `look`.
    """

    __slots__ = ("chunks", "first", "gaps", "stamps", "times", "tokens_in", "tokens_out")

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        """Parts that nobody has looked at, none of them empty."""
        self.times: list[int] = []
        """When each of them was handed over, ns of CLOCK_MONOTONIC."""
        self.first = 0
        """When the first token was handed over, ns, once `settle` was called; 0 without one."""
        self.stamps: list[int] = []
        """When the last tokens were handed over, the very last one at the end; the times between are not binned yet."""
        self.gaps: dict[int, int] = {}
        """Bucket (index into `GAP_BOUNDS`) -> times between tokens, once `settle` was called."""
        self.tokens_in = self.tokens_out = 0
        """As the answer states them; 0 where it does not."""

    @property
    def last(self) -> int:
        """When the last token was handed over, ns; 0 without one."""
        return self.stamps[-1] if self.stamps else 0

    def feed(self, chunk: bytes, at: int) -> None:
        """A part, not empty, was handed over at *at*, ns."""
        self.chunks.append(chunk)
        self.times.append(at)
        if len(self.times) >= TOGETHER or len(chunk) > HEAD:
            self.look()

    def look(self) -> None:
        """Look at the parts that wait."""
        chunks, times = self.chunks, self.times
        if not chunks:
            return
        self.chunks, self.times = [], []
        if set(map(type, chunks)) != _BYTES:
            # A server may take other buffers.
            chunks = [bytes(chunk) for chunk in chunks]
        self.see(chunks, times)
        if len(self.stamps) > MAX_STAMPS:
            self.fold()

    @abstractmethod
    def see(self, chunks: list[bytes], times: list[int]) -> None:
        """Find the tokens in *chunks*; *times* are those at which each was handed over."""

    def settle(self) -> None:
        """The answer has ended, whole or not."""
        self.look()
        self.fold()

    def fold(self) -> None:
        """Bin the times between the tokens so far: sorted, a bucket is found once for all that are in it."""
        stamps = self.stamps
        if not stamps:
            return
        self.first = self.first or stamps[0]
        times = sorted(map(sub, stamps[1:], stamps))
        gaps, begin, number = self.gaps, 0, len(times)
        while begin < number:
            bucket = min(bisect_left(GAP_BOUNDS, times[begin]), _LAST_BUCKET)
            end = bisect_right(times, GAP_BOUNDS[bucket], begin) if bucket < _LAST_BUCKET else number
            gaps[bucket] = gaps.get(bucket, 0) + end - begin
            begin = end
        del stamps[:-1]

    def state(self, data: bytes) -> bool:
        """Take over the numbers that *data* states; False where it states none."""
        tokens_in, tokens_out = stated(data)
        self.tokens_in = tokens_in or self.tokens_in
        self.tokens_out = tokens_out or self.tokens_out
        return bool(tokens_in or tokens_out)


class ChunkStream(Streamed):
    """A stream of which the application says that every chunk is a token."""

    __slots__ = ()

    def see(self, chunks: list[bytes], times: list[int]) -> None:  # noqa: ARG002 - whatever they are
        """All of them are tokens."""
        self.stamps += times


class JsonAnswer(Streamed):
    """One JSON document in several chunks; of it only the end is kept, where it states its tokens."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        Streamed.__init__(self)
        self._tail = b""

    def see(self, chunks: list[bytes], times: list[int]) -> None:  # noqa: ARG002 - when they came says nothing of tokens
        """More of the document."""
        for chunk in chunks:
            self._tail = (self._tail + chunk[-TAIL:])[-TAIL:]

    def settle(self) -> None:
        """The document has ended; it says how many, not when."""
        self.look()
        self.state(self._tail)
        self._tail = b""
