"""The short way through the local Intake, for the many requests of which there is nothing remarkable to say.

An answered request that is no stream, neither slow nor rare, and whose moments come in the order in which they came
last time, is counted and encoded without becoming a record: its row, a remembered plan, a few C calls for the row as a
whole. Whatever is not like that is handed back and goes the long way. Both ways give the same series and spans.
"""

from bisect import bisect_left
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import add, itemgetter, sub
from typing import Final, NamedTuple

from inferometer.aggregate import RequestMeter
from inferometer.catalog import requests
from inferometer.catalog.stages import Outcome
from inferometer.intake.courses import Course, Kind, Known, Parts, parts
from inferometer.intake.hold import TraceHold
from inferometer.intake.keep import BASELINE, KeepPolicy
from inferometer.intake.pipeline import Arrival
from inferometer.otlp.span_fields import sizes
from inferometer.otlp.span_layout import GAP_NS
from inferometer.record.model import Flag, Moment
from inferometer.wire.layout import REQUESTS
from inferometer.wire.records import LabelSets

Row = tuple[int, ...]

_COLUMN: Final = {name: index for index, name in enumerate(REQUESTS.names)}
_TRACE_LO, _SPAN, _SHAPE, _STATUS, _FLAGS = (
    _COLUMN[name] for name in ("trace_lo", "span_id", "shape", "status", "flags")
)
_IN, _OUT = _COLUMN["bytes_in"], _COLUMN["bytes_out"]
_FIRST_STAMP: Final = _COLUMN[Moment(0).name.lower()]
_STAMPS: Final = slice(_FIRST_STAMP, _FIRST_STAMP + len(Moment))
_REMARKABLE: Final = itemgetter(
    *map(_COLUMN.__getitem__, ("outcome", "first_token", "proxy_wait", "tokens_in", "tokens_out"))
)
"""Takes what is 0 where there is nothing to say: outcome 0 is ok."""
_ENTRY: Final = int(Flag.ENTRY)
_SAMPLED: Final = int(Flag.SAMPLED)
_OTHER_FLAGS: Final = ~(_ENTRY | _SAMPLED)
_PLAIN: Final = Kind()
_MAX_KNOWN: Final = 4_096


@dataclass(slots=True)
class Passed:
    """What became of the requests of a frame."""

    left: list[Row] = field(default_factory=list)
    """Rows of those that have to go the long way."""
    left_traces: set[int] = field(default_factory=set)
    """Lower halves of their trace ids: what comes after them in such a trace goes the same way, in the same order."""
    taken: int = 0
    """Requests that went the short way."""
    spans: list[bytes] = field(default_factory=list)
    """Of kept traces, a piece per trace."""
    numbers: list[int] = field(default_factory=list)
    """How many spans each piece has."""
    region: str = ""

    def leave(self, row: Row) -> None:
        """Hand a request back."""
        self.left.append(row)
        self.left_traces.add(row[_TRACE_LO])


class _To(NamedTuple):
    """What belongs to the frame that is absorbed."""

    offset: int
    """Wall time minus CLOCK_MONOTONIC, ns."""
    number: int
    """Of the held frame."""
    strings: Mapping[int, str]
    others: Mapping[int, Parts | None]
    passed: Passed


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
        frame, names = arrival.frame, arrival.names
        to = _To(frame.wall_ns - frame.monotonic_ns, number, names.strings, parts(frame), Passed())
        passed = to.passed
        touched: dict[int, Known | None] = {}
        labels = LabelSets(names)
        for row in frame.rows(REQUESTS):
            if any(_REMARKABLE(row)) or row[_FLAGS] & _OTHER_FLAGS or row[_SPAN] in closed:
                passed.leave(row)
                continue
            shape = row[_SHAPE]
            if shape not in touched:
                touched[shape] = self._know(arrival.worker.worker_id, shape, labels)
            known = touched[shape]
            if known is not None and self._takes(known, row, to):
                passed.taken += 1
            else:
                passed.leave(row)
        for known in touched.values():
            if known is not None:
                passed.region = known.labels.region
                if known.settle():
                    self._policy.kept(known.cells)
        return passed

    def _takes(self, known: Known, row: Row, to: _To) -> bool:
        """Count a request and encode or hold it; False where it has to go the long way."""
        points: Sequence[int] = row[_STAMPS]
        kind, device = _PLAIN, ""
        if to.others and row[_SPAN] in to.others:
            own = to.others[row[_SPAN]]
            if own is None:
                return False
            points = (*points, *own.times)
            kind, device = Kind(tuple(own.ranks), own.device), to.strings.get(own.device, "")
        course = known.course(points, kind, device)
        if course is None:
            return False
        starts, ends = course.firsts(points), course.lasts(points)
        lengths = tuple(map(sub, ends, starts))
        duration = ends[-1] - starts[0]
        if not known.passes(duration) or starts[0] <= 0 or min(lengths) <= 0:
            return False
        bucket = bisect_left(known.bounds, duration)
        if bucket not in known.noted:
            # The long way makes an exemplar of it.
            known.noted.add(bucket)
            return False
        if self._hold is not None and not self._traced(self._hold, known, course, (row, starts, ends), to):
            return False
        known.duration(duration)
        course.count(lengths, known.cells)
        known.sizes(row[_IN], row[_OUT])
        if row[_FLAGS] & _ENTRY:
            known.entry += 1
        else:
            known.inner += 1
        return True

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

    def _traced(
        self,
        hold: TraceHold,
        known: Known,
        course: Course,
        request: tuple[Row, tuple[int, ...], tuple[int, ...]],
        to: _To,
    ) -> bool:
        """Encode or hold a request; False where its trace has other hops here already."""
        row, starts, ends = request
        high, low, span, parent = row[:_FIRST_STAMP]
        trace = high << 64 | low
        if low in to.passed.left_traces or hold.waits(trace) or hold.kept(trace) is not None:
            return False
        if not (row[_FLAGS] & _SAMPLED or self._policy.in_baseline(low)):
            hold.hold(trace, to.number, span, self._now())
            return True
        hold.remember(trace, BASELINE)
        known.kept += 1
        offset = to.offset
        whole = starts[0] + offset, ends[-1] + offset
        starts = tuple(map(add, starts, repeat(offset)))
        ends = tuple(map(max, starts, map(add, ends, repeat(offset - GAP_NS))))
        fields = known.root(row[_STATUS]) + sizes(row[_IN], row[_OUT])
        to.passed.spans.append(course.template.encode((high, low, span, parent), fields, whole, starts, ends))
        to.passed.numbers.append(course.template.spans)
        return True
