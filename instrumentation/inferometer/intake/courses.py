"""What the short way remembers: of a label set its series and its limits, of an order of moments how it is divided."""

from collections.abc import Callable, Iterable, Sequence
from itertools import compress, count, pairwise, repeat
from operator import gt, itemgetter, le
from typing import Any, Final, NamedTuple

from inferometer.aggregate.requests import RequestCells
from inferometer.catalog import requests, spans
from inferometer.catalog.stages import Outcome, Stage
from inferometer.intake.keep import BASELINE
from inferometer.otlp.fields import attribute
from inferometer.otlp.span_fields import root_names, segment_fields, sizes
from inferometer.otlp.template import TraceTemplate
from inferometer.record.claims import RANKS, rank_of
from inferometer.record.model import Labels, Moment
from inferometer.record.partition import MAX_SEGMENTS, PLANS, STAGE_OF_RANK
from inferometer.record.plans import Plan
from inferometer.wire.frame import Frame
from inferometer.wire.layout import CALLS, EXECUTES, EXTERNAL_IDS, GAPS, INTERVALS

Extend = Callable[[Iterable[int]], None]
Column = Sequence[int]
"""Of one value those of many requests."""
Take = Callable[[Sequence[Any]], tuple[Any, ...]]

_DIVIDING: Final = frozenset(map(int, Moment)) - {Moment.FIRST_CHUNK, Moment.FIRST_TOKEN, Moment.DONE}
"""Moments that bound a stage, of a request whose last byte was handed over."""
_STAMPS: Final = len(Moment)
_FEWEST: Final = 2
"""Runs of a plan: of fewer, `itemgetter` makes no tuple."""
_REMARKABLE_PARTS: Final = (CALLS, GAPS, EXTERNAL_IDS)
_MAX_COURSES: Final = 64
_MAX_ROOTS: Final = 1_024


class Kind(NamedTuple):
    """What else than its moments a request has: ranks of its further claims, number of the device it ran on."""

    ranks: tuple[int, ...] = ()
    device: int = 0


class Parts:
    """Executes and marked intervals of one request."""

    __slots__ = ("device", "ranks", "times")

    def __init__(self) -> None:
        self.times: list[int] = []
        """Start and end of each, ns."""
        self.ranks: list[int] = []
        self.device = 0

    def add(self, start: int, end: int, rank: int) -> bool:
        """Take one; False where it has no beginning or no end."""
        self.times += (start, end)
        self.ranks.append(rank)
        return start > 0 and end > 0


def parts(frame: Frame) -> dict[int, Parts | None]:
    """What requests of a frame have besides their row, by span id; None: more than the short way can take."""
    found: dict[int, Parts | None] = {}
    for table in _REMARKABLE_PARTS:
        for row in frame.rows(table):
            found[row[0]] = None
    for span, _, batch, queued, start, end, _, device, size, _, kind, final, *_ in frame.rows(EXECUTES):
        if not (span and final):
            continue
        own = found.setdefault(span, Parts())
        if own is None:
            continue
        another = own.device not in {0, device}
        own.device = device
        if batch or queued or size > 1 or another or not own.add(start, end, rank_of(Stage.EXECUTE, kind)):
            found[span] = None
    for span, start, end, stage, kind, _, _ in frame.rows(INTERVALS):
        own = found.setdefault(span, Parts())
        if own is not None and not own.add(start, end, rank_of(stage, kind)):
            found[span] = None
    return found


class Course:
    """How requests of one label set go whose moments come in one order: what is counted where, and their spans.

    Args:
        plan: for that order.
        device: that they run on; empty where they do not, or nobody says.
    """

    __slots__ = ("_absent", "_chain", "_plan", "_several", "_single", "firsts", "lasts", "template")

    def __init__(self, plan: Plan, device: str) -> None:
        self._plan = plan
        runs = plan.runs
        bounds = {point for first, last, _ in runs for point in (first, last)}
        dividing = [point for point in plan.order if point in _DIVIDING or point >= _STAMPS]
        absent = sorted(_DIVIDING.difference(plan.order))
        self._absent = itemgetter(*absent, *absent[:1]) if absent else None
        """Takes the moments that do not come; one of them twice, so that it makes a tuple."""
        # Where every moment is a bound of a run, the runs' lengths show that the order is this one.
        self._chain = None if bounds.issuperset(dividing) else itemgetter(*dividing)
        self.firsts: Take = itemgetter(*(first for first, _, _ in runs))
        """Takes the beginnings of all runs."""
        self.lasts: Take = itemgetter(*(last for _, last, _ in runs))
        """Takes their ends."""
        self.template = TraceTemplate([_fields(rank, device) for _, _, rank in runs])
        self._single: tuple[tuple[Extend, int], ...] | None = None
        self._several: tuple[tuple[Extend, Take], ...] = ()

    def fits(self, points: Sequence[int]) -> bool:
        """Whether the moments of one request come in the same order, provided that no run is of length 0 or less."""
        if self._absent is not None and any(self._absent(points)):
            return False
        if self._chain is None:
            return True
        chain: tuple[int, ...] = self._chain(points)
        return chain == tuple(sorted(chain))

    def misfits(self, columns: Sequence[Column]) -> set[int]:
        """Places of the requests whose moments come in another order, or one of whose runs takes no time.

        Args:
            columns: of each moment, and of start and end of what else there is, those of all requests.
        """
        begins, ends = self.firsts(columns), self.lasts(columns)
        found = _where(map(le, begins[0], repeat(0)))
        for begin, end in zip(begins, ends, strict=True):
            found |= _where(map(le, end, begin))
        for column in self._absent(columns) if self._absent is not None else ():
            found |= _where(column)
        for before, after in pairwise(self._chain(columns)) if self._chain is not None else ():
            found |= _where(map(gt, before, after))
        return found

    def count(self, lengths: Sequence[Column], cells: RequestCells) -> None:
        """Count the stages of many requests; *lengths* are those of each run."""
        if self._single is None:
            self._find(cells)
        for extend, index in self._single or ():
            extend(lengths[index])
        for extend, those in self._several:
            extend(map(sum, zip(*those(lengths), strict=True)))

    def _find(self, cells: RequestCells) -> None:
        of_stage: dict[int, list[int]] = {}
        for index, (_, _, rank) in enumerate(self._plan.runs):
            of_stage.setdefault(STAGE_OF_RANK[rank], []).append(index)
        counters = {code: cells.stage(Stage(code)).observe_many for code in of_stage}
        self._single = tuple((counters[code], at[0]) for code, at in of_stage.items() if len(at) == 1)
        self._several = tuple((counters[code], itemgetter(*at)) for code, at in of_stage.items() if len(at) > 1)


def _where(said: Iterable[object]) -> set[int]:
    """Places at which something is said that is true."""
    return set(compress(count(), said))


def _fields(rank: int, device: str) -> bytes:
    stage, kind = RANKS[rank]
    fields = segment_fields(stage, kind, 1)
    return fields + attribute(spans.DEVICE, device) if stage is Stage.EXECUTE and device else fields


class Known:
    """One label set: its series, and what is known of its requests."""

    __slots__ = (
        "_roots", "bounds", "bytes_in", "bytes_out", "cells", "courses", "duration", "entry", "inner", "kept", "labels",
        "limit", "noted",
    )  # fmt: skip

    def __init__(self, labels: Labels, cells: RequestCells) -> None:
        self.labels = labels
        self.cells = cells
        duration = cells.histogram(requests.REQUEST_DURATION)
        self.duration = duration.observe_many
        self.bounds = duration.layout.classic
        self.bytes_in: Extend | None = None
        self.bytes_out: Extend | None = None
        self.courses: dict[Kind, Course] = {}
        """The last one of each kind."""
        self._roots: dict[tuple[int, int, int], bytes] = {}
        """Status and sizes -> fields of a root span."""
        self.limit: int | None = None
        """Longest duration that is not remarkable; None: every request is, for now."""
        self.noted: set[int] = set()
        """Classic buckets of the duration that have a new exemplar."""
        self.entry = self.inner = self.kept = 0
        """Requests of this frame that are an entry, that are none, and whose trace is kept."""

    def sizes(self, bytes_in: Column, bytes_out: Column) -> None:
        """Count the bodies' sizes; a series appears with its first value."""
        if any(bytes_in):
            if self.bytes_in is None:
                self.bytes_in = self.cells.histogram(requests.REQUEST_BYTES).observe_many
            self.bytes_in(filter(None, bytes_in))
        if any(bytes_out):
            if self.bytes_out is None:
                self.bytes_out = self.cells.histogram(requests.RESPONSE_BYTES).observe_many
            self.bytes_out(filter(None, bytes_out))

    def roots(self, said: Iterable[tuple[int, int, int]]) -> list[bytes]:
        """Fields of root spans, by status and sizes."""
        known = self._roots
        return [known.get(one) or self._root(one) for one in said]

    def _root(self, said: tuple[int, int, int]) -> bytes:
        status, bytes_in, bytes_out = said
        if len(self._roots) >= _MAX_ROOTS:
            self._roots.clear()
        fields = root_names(self.labels, Outcome.OK, status, BASELINE) + sizes(bytes_in, bytes_out)
        self._roots[said] = fields
        return fields

    def settle(self) -> int:
        """Add what was counted in a frame; the number of kept traces among it."""
        for entry, number in ((True, self.entry), (False, self.inner)):
            if number:
                self.cells.outcomes(entry=entry)[Outcome.OK].add(number)
        for slo in self.cells.slos:
            slo.good.add(self.entry + self.inner)
        kept = self.kept
        self.entry = self.inner = self.kept = 0
        return kept

    def course(self, points: Sequence[int], kind: Kind, device: str) -> Course | None:
        """A course that fits these moments, made where the last one does not; None where there can be none."""
        course = self.courses.get(kind)
        if course is not None and course.fits(points):
            return course
        plan = PLANS.plan(points, kind.ranks, 0) if points[Moment.LAST] else None
        if plan is None or not _FEWEST <= len(plan.runs) <= MAX_SEGMENTS:
            return None
        if len(self.courses) >= _MAX_COURSES:
            self.courses.clear()
        course = self.courses[kind] = Course(plan, device)
        return course
