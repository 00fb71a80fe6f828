"""The short way through the local Intake, for the many requests of which there is nothing remarkable to say.

Answered requests that are no stream, neither slow nor rare, and whose moments come in one order, are counted and
encoded together without becoming records: their rows, a remembered plan, a few C calls for each column. Whatever is not
like that is handed back and goes the long way. Both ways give the same series and spans.
"""

from bisect import bisect_left
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress, islice, pairwise, repeat
from operator import add, gt, itemgetter, not_, sub
from typing import Final, NamedTuple

from inferometer.aggregate import RequestMeter
from inferometer.aggregate.requests import RequestCells
from inferometer.catalog import requests
from inferometer.catalog.stages import Outcome
from inferometer.intake.courses import Column, Course, Kind, Known, Parts, parts
from inferometer.intake.hold import TraceHold
from inferometer.intake.keep import BASELINE, KeepPolicy, good_ns
from inferometer.intake.pipeline import Arrival
from inferometer.otlp.span_layout import GAP_NS
from inferometer.otlp.template import Ids
from inferometer.record.model import Flag, Moment
from inferometer.wire.layout import REQUESTS
from inferometer.wire.records import LabelSets

Row = tuple[int, ...]
"""Of the table of requests; in the lane followed by its place in the frame and by start and end of what else it has."""

_COLUMN: Final = {name: index for index, name in enumerate(REQUESTS.names)}
_TRACE_HI, _TRACE_LO, _SPAN, _SHAPE, _STATUS, _FLAGS = (
    _COLUMN[name] for name in ("trace_hi", "trace_lo", "span_id", "shape", "status", "flags")
)
_IN, _OUT = _COLUMN["bytes_in"], _COLUMN["bytes_out"]
_FIRST_STAMP: Final = _COLUMN[Moment(0).name.lower()]
_STAMPS: Final = slice(_FIRST_STAMP, _FIRST_STAMP + len(Moment))
_LAST: Final = _FIRST_STAMP + Moment.LAST
_PLACE: Final = len(REQUESTS.names)
_OTHERS: Final = slice(_PLACE + 1, None)
_REMARKABLE: Final = itemgetter(
    *map(_COLUMN.__getitem__, ("outcome", "first_token", "proxy_wait", "tokens_in", "tokens_out"))
)
"""Takes what is 0 where there is nothing to say: outcome 0 is ok."""
_ENTRY: Final = int(Flag.ENTRY)
_SAMPLED: Final = int(Flag.SAMPLED)
_OTHER_FLAGS: Final = ~(_ENTRY | _SAMPLED)
_PLAIN: Final = Kind()
_NOTHING: Final = Parts()
_MAX_KNOWN: Final = 4_096
_EXEMPLAR_NS: Final = 10**9
"""How often a bucket's exemplar is renewed: a scrape sees one of many."""
AT_ONCE: Final = 512
"""Requests that are numbers at once, 2 KiB each: what a pass holds must not grow with the traffic."""
_MOST_COURSES: Final = 8
"""Orders in which moments of requests that are alike come, of so many at once; those of further ones go the long way.
"""


@dataclass(slots=True)
class Passed:
    """What became of some requests of a frame."""

    left: list[Row] = field(default_factory=list)
    """Rows of those that have to go the long way, in their order."""
    taken: int = 0
    """Requests that went the short way."""
    spans: list[bytes] = field(default_factory=list)
    """Of kept traces, a piece per trace."""
    numbers: list[int] = field(default_factory=list)
    """How many spans each piece has."""
    region: str = ""


class _To(NamedTuple):
    """What belongs to the frame that is absorbed."""

    offset: int
    """Wall time minus CLOCK_MONOTONIC, ns."""
    number: int
    """Of the held frame."""
    passed: Passed
    left: list[tuple[int, Row]]
    """(place, row) of those that have to go the long way."""

    def leave(self, rows: Sequence[Row]) -> None:
        """Hand requests back."""
        self.left.extend([(row[_PLACE], row[:_PLACE]) for row in rows])


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
        self._noted_ns = 0

    def begin(self) -> None:
        """A pass begins: what is slow, and what is rare, is looked up anew; now and then, so are exemplars."""
        now = self._now()
        fresh = now - self._noted_ns >= _EXEMPLAR_NS
        if fresh:
            self._noted_ns = now
        for known in self._known.values():
            known.limit = self._limit(known.cells)
            if fresh:
                known.noted.clear()

    def _limit(self, cells: RequestCells) -> int | None:
        """Longest duration that is not remarkable; where nobody wants traces, only objectives say what is."""
        return good_ns(cells) if self._hold is None else self._policy.unremarkable_ns(cells, Outcome.OK)

    def forget(self) -> None:
        """The series are other ones from now on."""
        self._known.clear()

    def absorb(self, arrival: Arrival, number: int, closed: Container[int]) -> Iterator[Passed]:
        """Take what the lane can take of held frame *number*; *closed* are requests that were ended before.

        Yields:
            What became of the next of them; those that are left are for when all of the frame is through.
        """
        frame = arrival.frame
        touched: dict[int, Known | None] = {}
        labels, others = LabelSets(arrival.names), parts(frame)
        traces: set[int] = set()
        rows = enumerate(frame.rows(REQUESTS))
        while some := list(islice(rows, AT_ONCE)):
            to = _To(frame.wall_ns - frame.monotonic_ns, number, Passed(), [])
            alike: dict[tuple[int, Kind], list[Row]] = {}
            for place, row in some:
                shape, trace = row[_SHAPE], row[_TRACE_LO]
                if shape not in touched:
                    touched[shape] = self._know(arrival.worker.worker_id, shape, labels)
                own = others.get(row[_SPAN], _NOTHING) if others else _NOTHING
                # What comes after a hop of the same trace goes the long way, and both in their order.
                if (
                    touched[shape] is None or own is None or trace in traces or not row[_LAST]
                    or any(_REMARKABLE(row)) or row[_FLAGS] & _OTHER_FLAGS or row[_SPAN] in closed
                ):  # fmt: skip
                    to.left.append((place, row))
                else:
                    kind = _PLAIN if own is _NOTHING else Kind(tuple(own.ranks), own.device)
                    alike.setdefault((shape, kind), []).append((*row, place, *own.times))
                traces.add(trace)
            for (shape, kind), those in alike.items():
                known = touched[shape]
                if known is not None:
                    to.passed.region = known.labels.region
                    self._take(known, kind, arrival.names.strings.get(kind.device, ""), those, to)
            to.left.sort()
            to.passed.left = [row for _, row in to.left]
            yield to.passed
        for known in touched.values():
            if known is not None and known.settle():
                self._policy.kept(known.cells)

    def _take(self, known: Known, kind: Kind, device: str, rows: list[Row], to: _To) -> None:
        """Count and encode or hold requests that are alike, as far as their moments come in few orders."""
        for _ in range(_MOST_COURSES):
            if not rows:
                return
            first = rows[0]
            course = known.course((*first[_STAMPS], *first[_OTHERS]), kind, device)
            if course is None:
                to.leave(rows[:1])
                rows = rows[1:]
                continue
            columns = _columns(rows)
            misfits = course.misfits(_points(columns))
            said = self._remarkable(known, course, columns, misfits)
            if said or misfits:
                columns = _columns([row for at, row in enumerate(rows) if at not in said and at not in misfits])
            if columns:
                self._go(known, course, columns, to)
            # The first one is of this course: one of its stages took no time.
            said |= misfits & {0}
            to.leave([rows[at] for at in sorted(said)])
            rows = [rows[at] for at in sorted(misfits - said)]
        to.leave(rows)

    def _remarkable(self, known: Known, course: Course, columns: list[Column], misfits: set[int]) -> set[int]:
        """Places of the requests of which there is something to say, less the *misfits*."""
        points = _points(columns)
        durations = list(map(sub, course.lasts(points)[-1], course.firsts(points)[0]))
        limit = known.limit or 0
        said = {at for at, taken in enumerate(durations) if taken > limit} if max(durations) > limit else set()
        if self._hold is None:
            return said - misfits
        traces = _traces(columns)
        here = self._hold.known(traces)
        if here:
            said |= {at for at, trace in enumerate(traces) if trace in here}
        buckets = list(map(bisect_left, repeat(known.bounds), durations))
        for bucket in set(buckets) - known.noted:
            # The long way makes an exemplar of it.
            places = (at for at, one in enumerate(buckets) if one == bucket and at not in said and at not in misfits)
            first = next(places, None)
            if first is not None:
                said.add(first)
                known.noted.add(bucket)
        return said - misfits

    def _go(self, known: Known, course: Course, columns: list[Column], to: _To) -> None:
        """Count and encode or hold requests that go one course."""
        points = _points(columns)
        starts, ends = course.firsts(points), course.lasts(points)
        lengths = [list(map(sub, end, start)) for start, end in zip(starts, ends, strict=True)]
        number = len(columns[0])
        known.duration(map(sub, ends[-1], starts[0]))
        course.count(lengths, known.cells)
        known.sizes(columns[_IN], columns[_OUT])
        entries = sum([flags & _ENTRY for flags in columns[_FLAGS]])
        known.entry += entries
        known.inner += number - entries
        to.passed.taken += number
        if self._hold is not None:
            self._trace(self._hold, known, course, columns, to)

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
            known.limit = self._limit(cells)
        return known if known.limit is not None else None

    def _trace(self, hold: TraceHold, known: Known, course: Course, columns: list[Column], to: _To) -> None:
        """Encode requests of the baseline, hold the others: their traces may be kept yet."""
        chosen, traces = self._policy.in_baseline, _traces(columns)
        kept = [flags & _SAMPLED or chosen(low) for flags, low in zip(columns[_FLAGS], columns[_TRACE_LO], strict=True)]
        if not all(kept):
            passed_by = list(map(not_, kept))
            spans = list(compress(columns[_SPAN], passed_by))
            hold.hold_all(list(compress(traces, passed_by)), to.number, spans, self._now())
            columns = [list(compress(column, kept)) for column in columns]
            traces = list(compress(traces, kept))
        if not traces:
            return
        ids = Ids(*columns[:_FIRST_STAMP])
        hold.remember_all(traces, ids.high, ids.low, BASELINE)
        known.kept += len(traces)
        points = _points(columns)
        starts = [list(map(add, column, repeat(to.offset))) for column in course.firsts(points)]
        last = list(map(add, course.lasts(points)[-1], repeat(to.offset)))
        # Runs touch: each ends where the next one begins.
        ends = [_before(start, end) for start, end in pairwise((*starts, last))]
        fields = known.roots(zip(columns[_STATUS], columns[_IN], columns[_OUT], strict=True))
        to.passed.spans += course.template.encode(ids, fields, starts, ends, last)
        to.passed.numbers += [course.template.spans] * len(traces)


def _columns(rows: list[Row]) -> list[Column]:
    return list(zip(*rows, strict=True))


def _points(columns: list[Column]) -> list[Column]:
    """Of each moment, and of start and end of what else there is, those of all requests."""
    return columns[_STAMPS] + columns[_OTHERS]


def _traces(columns: list[Column]) -> list[int]:
    return [high << 64 | low for high, low in zip(columns[_TRACE_HI], columns[_TRACE_LO], strict=True)]


def _before(starts: Column, ends: Column) -> Column:
    """Ends, a gap before they come, but never before their starts."""
    early = list(map(sub, ends, repeat(GAP_NS)))
    return list(map(max, starts, early)) if any(map(gt, starts, early)) else early
