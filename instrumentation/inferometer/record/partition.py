"""From overlapping claims to exclusive stages that sum to the duration, to the nanosecond."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from inferometer.catalog.stages import Kind, Stage
from inferometer.record.claims import RANKS, Claim
from inferometer.record.model import RequestRecord
from inferometer.record.plans import Plans, Run

MAX_SEGMENTS = 16
"""Segments kept per request; further ones are merged, totals stay exact."""
STAGE_SLOTS = len(Stage) + 1
"""Length of `Partition.totals`: index 0 is unused, so that a stage's code is its index."""

_OTHER = len(RANKS) - 1
_UNCLAIMED = 1 << _OTHER
STAGE_OF_RANK = tuple(int(stage) for stage, _ in RANKS)
"""Stage code by rank."""


class Segment(NamedTuple):
    """A stretch of a request that one stage owns."""

    start: int
    end: int
    stage: Stage
    kind: Kind = Kind.NONE
    merged: int = 1
    """Number of segments that were merged into this one; it carries the stage of the largest."""

    @property
    def duration_ns(self) -> int:
        """Length in ns."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Partition:
    """A request's duration, divided."""

    totals: tuple[int, ...]
    """ns by stage code; they sum to the duration exactly."""
    segments: tuple[Segment, ...]
    """In order, touching, covering the request; at most `MAX_SEGMENTS`."""

    def total(self, stage: Stage) -> int:
        """Exclusive time of a stage, ns."""
        return self.totals[stage]


def partition(record: RequestRecord) -> Partition:
    """Stages and segments of a record."""
    return _partition(PLANS.runs(record))


def stage_totals(record: RequestRecord) -> list[int]:
    """Only the totals of `partition`, for whoever draws no segments: half the work."""
    return _totals(PLANS.runs(record))


def divide(claims_: Iterable[Claim], start: int, end: int) -> Partition:
    """Give every instant of [start, end) to the claim of the lowest rank; what nobody claims is `other`."""
    return _partition(_runs(claims_, start, end))


def _totals(runs: Iterable[Run]) -> list[int]:
    totals = [0] * STAGE_SLOTS
    for begin, stop, rank in runs:
        totals[STAGE_OF_RANK[rank]] += stop - begin
    return totals


def _partition(runs: list[Run]) -> Partition:
    totals = _totals(runs)
    segments = [Segment(begin, stop, *RANKS[rank]) for begin, stop, rank in runs]
    return Partition(tuple(totals), tuple(merge(segments)))


def _runs(claims_: Iterable[Claim], start: int, end: int) -> list[Run]:
    """Maximal stretches of one owner, as (start, end, rank)."""
    if end <= start:
        return []
    events: list[tuple[int, int]] = []
    for begin, stop, rank in claims_:
        low = max(start, begin)
        high = min(end, stop)
        # What is claimed for `other` is what nobody claims: it needs no event.
        if low < high and rank != _OTHER:
            events += ((low, rank), (high, ~rank))
    events.append((end, _OTHER))
    events.sort()
    open_by_rank: dict[int, int] = {}
    mask = _UNCLAIMED
    runs: list[Run] = []
    since, previous = start, -1
    for time, coded in events:
        if time > since:
            owner = (mask & -mask).bit_length() - 1
            if owner == previous:
                runs[-1] = (runs[-1][0], time, owner)
            else:
                runs.append((since, time, owner))
                previous = owner
            since = time
        if coded >= 0:
            open_by_rank[coded] = open_by_rank.get(coded, 0) + 1
            mask |= 1 << coded
        else:
            rank = ~coded
            left = open_by_rank[rank] = open_by_rank[rank] - 1
            if not left:
                mask &= ~(1 << rank)
    return runs


PLANS = Plans(_runs)
"""What is remembered of records that were divided."""


def merge(segments: list[Segment], limit: int = MAX_SEGMENTS) -> list[Segment]:
    """At most *limit* segments: the shortest goes to its shorter neighbour, again and again.

    A merged one carries the stage of its largest part. The earliest of equals goes first; of equal neighbours the
    left one takes it in.
    """
    if len(segments) <= limit:
        return segments
    return _Merging(segments).down_to(limit)


class _Merging:
    """Segments as a linked list and a heap by length: a stream may have thousands."""

    def __init__(self, segments: list[Segment]) -> None:
        self._whole: list[Segment | None] = list(segments)
        self._largest = [segment.duration_ns for segment in segments]
        self._left = list(range(-1, len(segments) - 1))
        self._right = [*range(1, len(segments)), -1]
        self._heap = [(segment.duration_ns, segment.start, i) for i, segment in enumerate(segments)]
        heapq.heapify(self._heap)

    def down_to(self, limit: int) -> list[Segment]:
        for _ in range(len(self._whole) - limit):
            self._join(self._shortest())
        return [segment for segment in self._whole if segment is not None]

    def _shortest(self) -> int:
        while True:
            length, start, i = heapq.heappop(self._heap)
            segment = self._whole[i]
            if segment is not None and (segment.duration_ns, segment.start) == (length, start):
                return i

    def _join(self, i: int) -> None:
        left, right = self._left[i], self._right[i]
        first = left if right < 0 or (left >= 0 and self._length(left) <= self._length(right)) else i
        second = self._right[first]
        a, b = self._whole[first], self._whole[second]
        assert a is not None  # noqa: S101 - links lead to segments that are there
        assert b is not None  # noqa: S101 - a link leads to a segment that is there
        main = a if self._largest[first] >= self._largest[second] else b
        self._whole[first] = whole = Segment(a.start, b.end, main.stage, main.kind, a.merged + b.merged)
        self._whole[second] = None
        self._largest[first] = max(self._largest[first], self._largest[second])
        self._right[first] = after = self._right[second]
        if after >= 0:
            self._left[after] = first
        heapq.heappush(self._heap, (whole.duration_ns, whole.start, first))

    def _length(self, i: int) -> int:
        segment = self._whole[i]
        return segment.duration_ns if segment is not None else 0
