"""The short way through the local Intake, for the many requests of which there is nothing remarkable to say.

An answered request that is no stream, neither slow nor rare, and whose moments come in the order in which they came
last time, is counted and encoded without becoming a record: its row, a remembered plan, a few C calls for the row as a
whole. Whatever is not like that is handed back and goes the long way. Both ways give the same series and spans.
"""

from bisect import bisect_left
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from itertools import repeat
from operator import add, itemgetter, sub
from typing import Final

from inferometer.aggregate import RequestMeter
from inferometer.aggregate.requests import RequestCells
from inferometer.catalog import requests
from inferometer.catalog.stages import Outcome, Stage
from inferometer.intake.hold import TraceHold
from inferometer.intake.keep import BASELINE, KeepPolicy
from inferometer.intake.pipeline import Arrival
from inferometer.otlp.encode import GAP_NS, root_names, segment_fields, sizes
from inferometer.otlp.template import TraceTemplate
from inferometer.record.claims import RANKS
from inferometer.record.model import Flag, Labels, Moment
from inferometer.record.partition import MAX_SEGMENTS, PLANS, STAGE_OF_RANK
from inferometer.record.plans import Plan
from inferometer.wire.layout import CALLS, EXECUTES, EXTERNAL_IDS, GAPS, INTERVALS, REQUESTS
from inferometer.wire.records import LabelSets

Row = tuple[int, ...]
Add = Callable[[int], None]

_FIRST_STAMP: Final = REQUESTS.names.index(Moment(0).name.lower())
_STAMPS: Final = slice(_FIRST_STAMP, _FIRST_STAMP + len(Moment))
_FIRST_TOKEN: Final = _FIRST_STAMP + Moment.FIRST_TOKEN
_REST: Final = slice(_STAMPS.stop, None)
_OK: Final = int(Outcome.OK)
_ENTRY: Final = int(Flag.ENTRY)
_SAMPLED: Final = int(Flag.SAMPLED)
_REMARKABLE: Final = ~(_ENTRY | _SAMPLED)
_MAX_KNOWN: Final = 4_096
_FEWEST: Final = 2
"""Runs of a plan: of fewer, `itemgetter` makes no tuple."""
_STATUS, _FLAGS, _BYTES_IN = map(REQUESTS.names.index, ("status", "flags", "bytes_in"))
_PARTS: Final = (EXECUTES, CALLS, INTERVALS, GAPS, EXTERNAL_IDS)


class Course:
    """How requests of one label set go whose moments come in one order: what is counted where, and their spans."""

    __slots__ = ("absent", "chain", "firsts", "lasts", "several", "single", "template")

    def __init__(self, plan: Plan, cells: RequestCells) -> None:
        self.absent = plan.absent
        self.chain = itemgetter(*plan.order)
        runs = plan.runs
        self.firsts = itemgetter(*(first for first, _, _ in runs))
        self.lasts = itemgetter(*(last for _, last, _ in runs))
        self.template = TraceTemplate([segment_fields(*RANKS[rank], 1) for _, _, rank in runs])
        of_stage: dict[int, list[int]] = {}
        for index, (_, _, rank) in enumerate(runs):
            of_stage.setdefault(STAGE_OF_RANK[rank], []).append(index)
        adders = {code: cells.stage(Stage(code)).adder() for code in of_stage}
        self.single = tuple((adders[code], at[0]) for code, at in of_stage.items() if len(at) == 1)
        """Where the only run of a stage is counted, and its index."""
        self.several = tuple((adders[code], itemgetter(*at)) for code, at in of_stage.items() if len(at) > 1)
        """Where several runs of a stage are counted, and what takes them."""


class Known:
    """One label set: its series, and what is known of its requests."""

    __slots__ = (
        "bounds", "bytes_in", "bytes_out", "cells", "course", "duration", "entry", "inner", "kept", "labels", "limit",
        "noted", "roots",
    )  # fmt: skip

    def __init__(self, labels: Labels, cells: RequestCells) -> None:
        self.labels = labels
        self.cells = cells
        duration = cells.histogram(requests.REQUEST_DURATION)
        self.duration = duration.adder()
        self.bounds = duration.layout.classic
        self.bytes_in: Add | None = None
        self.bytes_out: Add | None = None
        self.course: Course | None = None
        """Of the last request."""
        self.roots: dict[int, bytes] = {}
        """Status -> fields of a root span."""
        self.limit: int | None = None
        """Longest duration that is not remarkable; None: every request is, for now."""
        self.noted: set[int] = set()
        """Classic buckets of the duration that have an exemplar of this pass."""
        self.entry = self.inner = self.kept = 0
        """Requests of this frame that are an entry, that are none, and whose trace is kept."""

    def sizes(self, bytes_in: int, bytes_out: int) -> None:
        """Count the bodies' sizes; a series appears with its first value."""
        if bytes_in:
            if self.bytes_in is None:
                self.bytes_in = self.cells.histogram(requests.REQUEST_BYTES).adder()
            self.bytes_in(bytes_in)
        if bytes_out:
            if self.bytes_out is None:
                self.bytes_out = self.cells.histogram(requests.RESPONSE_BYTES).adder()
            self.bytes_out(bytes_out)

    def root(self, status: int) -> bytes:
        """Fields of a root span, less sizes."""
        fields = self.roots.get(status)
        if fields is None:
            fields = self.roots[status] = root_names(self.labels, Outcome.OK, status, BASELINE)
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


@dataclass(slots=True)
class Passed:
    """What became of the requests of a frame."""

    left: list[Row] = field(default_factory=list)
    """Rows of those that have to go the long way."""
    spans: list[bytes] = field(default_factory=list)
    """Of kept traces, a piece per trace."""
    numbers: list[int] = field(default_factory=list)
    """How many spans each piece has."""
    region: str = ""
    taken: int = 0
    """Requests that went the short way."""


class Lane:
    """Counts and encodes unremarkable requests; used by one thread.

    Args:
        meter: knows the series of each label set.
        policy: knows what is remarkable.
        hold: takes those whose trace nobody keeps yet; None: nobody wants traces.
        monotonic_ns: CLOCK_MONOTONIC.
    """

    def __init__(
        self, meter: RequestMeter, policy: KeepPolicy, hold: TraceHold | None, *, monotonic_ns: Callable[[], int]
    ) -> None:
        self._meter = meter
        self._policy = policy
        self._hold = hold
        self._now = monotonic_ns
        self._known: dict[tuple[bytes, int], Known] = {}

    def begin(self) -> None:
        """A pass begins: what is slow, and what is rare, is looked up anew."""
        for known in self._known.values():
            known.limit = self._policy.unremarkable_ns(known.cells, Outcome.OK)
            known.noted.clear()

    def forget(self) -> None:
        """The series are other ones from now on."""
        self._known.clear()

    def absorb(self, arrival: Arrival, number: int, closed: Container[int]) -> Passed:
        """Take what the lane can take of held frame *number*; *closed* are requests that were ended before."""
        frame = arrival.frame
        passed = Passed()
        offset = frame.wall_ns - frame.monotonic_ns
        touched: dict[int, Known | None] = {}
        labels = LabelSets(arrival.names)
        whole = {row[0] for table in _PARTS if table.section in frame.tables for row in frame.rows(table)}
        left = passed.left.append
        for row in frame.rows(REQUESTS):
            wait, bytes_in, bytes_out, shape, _, tokens_in, tokens_out, _, outcome, flags, _ = row[_REST]
            if (
                outcome
                or flags & _REMARKABLE
                or tokens_in
                or tokens_out
                or wait
                or row[_FIRST_TOKEN]
                or row[2] in whole
                or row[2] in closed
            ):
                left(row)
                continue
            try:
                known = touched[shape]
            except KeyError:
                known = touched[shape] = self._know(arrival.worker.worker_id, shape, labels)
            if known is None or not self._passes(known, row, (offset, number), passed):
                left(row)
                continue
            passed.taken += 1
            known.sizes(bytes_in, bytes_out)
            if flags & _ENTRY:
                known.entry += 1
            else:
                known.inner += 1
        self._settle(touched.values(), passed)
        return passed

    def _settle(self, touched: Iterable[Known | None], passed: Passed) -> None:
        for known in touched:
            if known is not None:
                passed.region = known.labels.region
                if known.settle():
                    self._policy.kept(known.cells)

    def _know(self, worker_id: bytes, shape: int, labels: LabelSets) -> Known | None:
        known = self._known.get((worker_id, shape))
        if known is None:
            of = labels[shape]
            cells = self._meter.cells(of)
            cells.histogram(requests.REQUEST_DURATION)
            if cells.limited or not of.service:
                return None
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            known = self._known[worker_id, shape] = Known(of, cells)
            known.limit = self._policy.unremarkable_ns(cells, Outcome.OK)
        return known if known.limit is not None else None

    def _passes(self, known: Known, row: Row, at: tuple[int, int], passed: Passed) -> bool:
        """Count a request and its stages, and encode or hold it; False where nothing was done."""
        stamps = row[_STAMPS]
        course = known.course
        if (
            course is None
            or stamps.count(0) != course.absent
            or (chain := course.chain(stamps)) != tuple(sorted(chain))
        ):
            course = self._course(known, stamps)
            if course is None:
                return False
        firsts, lasts = course.firsts(stamps), course.lasts(stamps)
        lengths = tuple(map(sub, lasts, firsts))
        duration = lasts[-1] - firsts[0]
        if duration > known.limit or min(lengths) <= 0:
            return False
        bucket = bisect_left(known.bounds, duration)
        if bucket not in known.noted:
            # The long way makes an exemplar of it.
            known.noted.add(bucket)
            return False
        if self._hold is not None and not self._traced(known, course, row, (firsts, lasts), at, passed):
            return False
        known.duration(duration)
        for count, index in course.single:
            count(lengths[index])
        for count, those in course.several:
            count(sum(those(lengths)))
        return True

    def _traced(
        self,
        known: Known,
        course: Course,
        row: Row,
        times: tuple[tuple[int, ...], tuple[int, ...]],
        at: tuple[int, int],
        passed: Passed,
    ) -> bool:
        assert self._hold is not None  # noqa: S101 - asked just before
        hold = self._hold
        high, low, span, parent = row[:_FIRST_STAMP]
        trace = high << 64 | low
        flags = row[_FLAGS]
        if hold.waits(trace) or hold.kept(trace) is not None:
            return False
        offset, number = at
        if not (flags & _SAMPLED or self._policy.in_baseline(low)):
            hold.hold(trace, number, span, self._now())
            return True
        hold.remember(trace, BASELINE)
        known.kept += 1
        firsts, lasts = times
        starts = tuple(map(add, firsts, repeat(offset)))
        ends = tuple(map(max, starts, map(add, lasts, repeat(offset - GAP_NS))))
        fields = known.root(row[_STATUS]) + sizes(row[_BYTES_IN], row[_BYTES_IN + 1])
        passed.spans.append(
            course.template.encode((high, low, span, parent), fields, (starts[0], lasts[-1] + offset), starts, ends)
        )
        passed.numbers.append(course.template.spans)
        return True

    def _course(self, known: Known, stamps: tuple[int, ...]) -> Course | None:
        plan = PLANS.plan(stamps, (), 0)
        if plan is None or not _FEWEST <= len(plan.runs) <= MAX_SEGMENTS:
            return None
        course = known.course = Course(plan, known.cells)
        return course
