"""The pipeline of an elected worker: series, kept traces; no store, no ledger. Pure Python, record by record."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from inferometer.aggregate import Aggregator, RequestMeter, Snapshot
from inferometer.catalog import telemetry
from inferometer.catalog.labels import COMPONENT, DROP_REASON
from inferometer.errors import StateError
from inferometer.fleet.thresholds import Thresholds
from inferometer.intake import cold_starts, exemplars
from inferometer.intake.keep import BASELINE_RATIO, KeepPolicy
from inferometer.intake.lane import Lane, Row
from inferometer.intake.local_traces import LocalTraces
from inferometer.intake.open_requests import OpenRequests
from inferometer.intake.pipeline import Arrival
from inferometer.intake.worker_series import WorkerSeries
from inferometer.otlp.writer import TraceWriter
from inferometer.record.model import Flag, RequestRecord
from inferometer.record.partition import Partition, partition, stage_totals
from inferometer.version import VERSION
from inferometer.wire.records import batches, records

_INTAKE: Final = COMPONENT.values[1]
_LATE, _UNDECODABLE = DROP_REASON.values[4:6]
# Plain integers: every operation of enum.Flag makes an object.
_FOREIGN: Final = int(Flag.FOREIGN_SPANS)
_SAMPLED: Final = int(Flag.SAMPLED)
_SERIES: Final = "local.series"
_METER: Final = "local.meter"
_OPEN: Final = "local.open"
_WORKERS: Final = "local.workers"


class LocalPipeline:
    """What an elected worker does with the frames of all workers of this user and host.

    Args:
        aggregator: holds all series.
        thresholds: objectives and tenants of fleet.yaml.
        writer: exports kept traces; None: nobody wants them.
        baseline_ratio: share of all traces that are kept whatever they are, 0-1.
        monotonic_ns: CLOCK_MONOTONIC.
    """

    def __init__(
        self,
        aggregator: Aggregator,
        thresholds: Thresholds,
        writer: TraceWriter | None,
        *,
        baseline_ratio: float = BASELINE_RATIO,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._aggregator = aggregator
        self._writer = writer
        self._now = monotonic_ns
        self._meter = RequestMeter(aggregator, thresholds)
        policy = KeepPolicy(self._meter, baseline_ratio=baseline_ratio, monotonic_ns=monotonic_ns)
        traces = None if writer is None else LocalTraces(aggregator, policy, writer, monotonic_ns=monotonic_ns)
        self._traces = traces
        self._open = OpenRequests(self._meter)
        self._workers = WorkerSeries(aggregator)
        self._lane = Lane(self._meter, policy, None if traces is None else traces.hold, monotonic_ns=monotonic_ns)
        self._newest: dict[bytes, int] = {}
        aggregator.set(telemetry.BUILD_INFO, (VERSION, _INTAKE), 1)
        self.snapshot = Snapshot()
        """What ``/metrics`` shows."""

    def absorb(self, arrivals: Sequence[Arrival]) -> bool:
        """Take in new frames."""
        changed = False
        self._lane.begin()
        if self._traces is not None:
            self._traces.begin()
        newest: dict[bytes, Arrival] = {}
        for arrival in arrivals:
            changed |= self._frame(arrival)
            newest[arrival.frame.worker_id] = arrival
        for worker_id, arrival in newest.items():
            self._newest[worker_id] = arrival.frame.monotonic_ns
            changed |= self._open.replace(arrival)
        if self._workers.undecodable:
            number, self._workers.undecodable = self._workers.undecodable, 0
            self._aggregator.add(telemetry.DROPS, (_INTAKE, _UNDECODABLE), number)
        return changed

    def _frame(self, arrival: Arrival) -> bool:
        frame, traces = arrival.frame, self._traces
        changed = self._workers.frame(arrival)
        changed |= cold_starts.absorb(arrival, self._aggregator, self._writer)
        for batch in batches(frame, arrival.names):
            self._meter.batch(batch)
            if traces is not None:
                traces.batch(batch)
            changed = True
        offset = frame.wall_ns - frame.monotonic_ns
        number = 0 if traces is None else traces.offer(arrival)
        left: list[Row] = []
        for passed in self._lane.absorb(arrival, number, self._open.closed):
            changed |= passed.taken > 0
            left += passed.left
            if traces is not None and passed.spans:
                traces.passed(arrival.worker, passed)
        for record in records(frame, arrival.names, left) if left else ():
            changed = True
            if self._open.late(record.span_id):
                self._aggregator.add(telemetry.DROPS, (_INTAKE, _LATE))
                continue
            foreign = int(record.flags) & _FOREIGN
            whole = traces is not None or foreign
            divided = partition(record) if whole else Partition(tuple(stage_totals(record)), ())
            self._meter.finished(record, divided)
            if foreign:
                self._of_the_user(record, divided, offset)
            elif traces is not None:
                traces.finished(arrival.worker, record, divided, offset, number)
        return changed

    def _of_the_user(self, record: RequestRecord, divided: Partition, offset: int) -> None:
        """A request whose spans leave through the user's own pipeline, if its sampler says so; ours would be twice."""
        if int(record.flags) & _SAMPLED:
            exemplars.show(self._aggregator, exemplars.notes(record, divided, offset))

    def departed(self, worker_ids: Sequence[bytes]) -> bool:
        """End what these workers left open."""
        ended = list(self._open.end(worker_ids, self._now()))
        for worker_id, record in ended:
            totals = Partition(tuple(stage_totals(record)), ())
            self._meter.finished(record, totals)
            if self._traces is not None and not int(record.flags) & _FOREIGN:
                self._traces.abandoned(worker_id, record, totals)
        for worker_id in worker_ids:
            self._newest.pop(worker_id, None)
        self._workers.departed(worker_ids)
        return bool(ended)

    def tick(self, now_ns: int) -> bool:
        """Forget requests whose traces nobody keeps, show exemplars of those that were accepted."""
        changed = self._traces is not None and self._traces.settle(now_ns, self._open.traces())
        self._workers.show()
        self._show_lag(now_ns)
        return self._aggregator.settle() or changed

    def _show_lag(self, now_ns: int) -> None:
        if self._newest:
            self._aggregator.set(telemetry.FRAME_LAG, (), now_ns - min(self._newest.values()))
        else:
            self._aggregator.remove(telemetry.FRAME_LAG, ())

    def commit(self, number: int, *, previous_ns: int | None) -> None:  # noqa: ARG002 - there is no store
        """Note how long passes take."""
        if previous_ns is not None:
            self._aggregator.observe(telemetry.PASS_DURATION, (), previous_ns)

    def rollback(self, number: int | None) -> int:
        """Nothing is stored elsewhere: the newest pass is that of the state."""
        return number or 0

    def dump(self) -> Mapping[str, bytes]:
        """Everything that must survive."""
        sections = {
            _SERIES: self._aggregator.dump(),
            _METER: self._meter.dump(),
            _OPEN: self._open.dump(),
            _WORKERS: self._workers.dump(),
        }
        return sections if self._traces is None else sections | self._traces.dump()

    def load(self, sections: Mapping[str, bytes], *, same_boot: bool) -> None:
        """Go on where a state ended.

        Raises:
            StateError: a section is not as `dump` writes it.
        """
        self._lane.forget()
        try:
            self._aggregator.load(sections[_SERIES])
            self._meter.load(sections[_METER])
            self._workers.load(sections[_WORKERS])
            self._open.load(sections[_OPEN], same_boot=same_boot)
        except KeyError as error:
            raise StateError(f"the state has no section {error}") from error
        if self._traces is not None:
            self._traces.load(sections, same_boot=same_boot)

    def publish(self) -> None:
        """Swap what ``/metrics`` shows."""
        self.snapshot = self._aggregator.snapshot()
