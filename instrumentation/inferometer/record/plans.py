"""Dividing a record by a plan: requests of one kind differ in their times, hardly ever in the order of them.

Which claim owns which stretch depends on the order of a record's moments alone. So the sweep over claims is done once
per order, on positions instead of times, and remembered; after that a record is divided by looking its moments up.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from inferometer.record.claims import Claim, of_call, of_execute, of_stamps, rank_of
from inferometer.record.model import Flag, Moment, RequestRecord

Run = tuple[int, int, int]
"""start, end, rank of the owner"""
Sweep = Callable[[Iterable[Claim], int, int], list[Run]]

_MAX_PLANS: Final = 4_096
_MAX_CLAIMS: Final = 16
"""Claims besides those of stamps; with more of them an order hardly repeats."""
_STREAM: Final = int(Flag.STREAM)
_STAMPS: Final = len(Moment)

Key = tuple[tuple[int, ...], int, int, tuple[int, ...]]
"""order of the points, how many of them are absent, whether the answer is a stream, ranks of the other claims"""


class Plan(NamedTuple):
    """How records whose moments come in one order are divided."""

    order: tuple[int, ...]
    """Indices of the points that are not absent, in the order of their times."""
    absent: int
    """Number of stamps that are 0."""
    runs: tuple[Run, ...]
    """Index of the point at which a run begins, of that at which it ends, rank of the owner."""


class Plans:
    """Remembered divisions, by the order of a record's moments.

    Args:
        sweep: divides the long way: claims, start and end to runs.
    """

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._plans: dict[Key, Plan] = {}

    def runs(self, record: RequestRecord) -> list[Run]:
        """Maximal stretches of one owner that cover the record."""
        others = _others(record)
        stamps = record.stamps
        points: Sequence[int] = stamps
        ranks: tuple[int, ...] = ()
        if others:
            points = [*stamps]
            for begin, end, _ in others:
                points += (begin, end)
            ranks = tuple([rank for _, _, rank in others])
        plan = self.plan(points, ranks, record.flags)
        if plan is None:
            return self._sweep([*of_stamps(stamps, record.flags), *others], record.start, record.end)
        runs: list[Run] = []
        for first, last, rank in plan.runs:
            begin, end = points[first], points[last]
            if begin < end:
                if runs and runs[-1][2] == rank:
                    runs[-1] = (runs[-1][0], end, rank)
                else:
                    runs.append((begin, end, rank))
        return runs

    def plan(self, points: Sequence[int], ranks: tuple[int, ...], flags: int) -> Plan | None:
        """The plan for a record; None where it has to be divided the long way.

        Args:
            points: its stamps by `Moment`, then start and end of each further claim.
            ranks: of the further claims.
            flags: of the record.
        """
        absent = points.count(0)
        if len(ranks) > _MAX_CLAIMS or (ranks and 0 in points[_STAMPS:]):
            # Only a stamp is absent where it is 0; a claim from 0 on begins before the request.
            return None
        order = tuple(sorted(range(len(points)), key=points.__getitem__))
        key = order, absent, int(flags) & _STREAM, ranks
        return self._plans.get(key) or self._remember(key)

    def _remember(self, key: Key) -> Plan:
        order, absent, stream, ranks = key
        places = [0] * len(order)
        for position, point in enumerate(order[absent:], 1):
            places[point] = position
        stamps = places[:_STAMPS]
        claims = list(of_stamps(stamps, stream))
        for index, rank in enumerate(ranks):
            at = _STAMPS + 2 * index
            claims.append(Claim(places[at], places[at + 1], rank))
        start = stamps[Moment.ARRIVAL] or stamps[Moment.START] or stamps[Moment.ENTRY]
        end = max(stamps[Moment.LAST] or stamps[Moment.DONE], start)
        point_at = [0, *order[absent:]]
        runs = tuple((point_at[low], point_at[high], rank) for low, high, rank in self._sweep(claims, start, end))
        plan = Plan(order[absent:], absent, runs)
        if len(self._plans) >= _MAX_PLANS:
            self._plans.clear()
        self._plans[key] = plan
        return plan


def _others(record: RequestRecord) -> Sequence[Claim]:
    if not (record.executes or record.calls or record.intervals):
        return ()
    found: list[Claim] = []
    for execute in record.executes:
        found += of_execute(execute)
    for call in record.calls:
        found += of_call(call)
    for marked in record.intervals:
        found += (Claim(marked.start, marked.end, rank_of(marked.stage, marked.kind)),)
    return found
