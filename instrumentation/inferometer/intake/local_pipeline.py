"""The pipeline of an elected worker: series, kept traces; no store, no ledger. Pure Python, record by record."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from inferometer.aggregate import Aggregator, Exemplar, RequestMeter, Snapshot
from inferometer.aggregate.measures import points, times
from inferometer.catalog import requests, series, telemetry
from inferometer.catalog.labels import COMPONENT, DROP_REASON
from inferometer.errors import StateError, WireError
from inferometer.fleet.thresholds import Thresholds
from inferometer.intake import cold_starts
from inferometer.intake.held_frames import HeldFrames, resource_of
from inferometer.intake.hold import TraceHold
from inferometer.intake.keep import BASELINE, BASELINE_RATIO, Finished, KeepPolicy
from inferometer.intake.lane import Lane, Passed, Row
from inferometer.intake.open_requests import OpenRequests
from inferometer.intake.pipeline import Arrival, WorkerInfo
from inferometer.intake.worker_series import WorkerSeries
from inferometer.otlp.kept import Kept, Resource
from inferometer.otlp.span_layout import envelope
from inferometer.otlp.writer import Note, TraceWriter
from inferometer.record.model import Batch, Flag, Labels, RequestRecord
from inferometer.record.partition import Partition, partition, stage_totals
from inferometer.version import VERSION
from inferometer.wire.records import batches, records

_INTAKE: Final = COMPONENT.values[1]
_QUEUE_FULL, _REJECTED, _LATE, _UNDECODABLE, _HOLD_FULL = DROP_REASON.values[2:7]
# Plain integers: every operation of enum.Flag makes an object.
_FOREIGN: Final = int(Flag.FOREIGN_SPANS)
_SAMPLED: Final = int(Flag.SAMPLED)
_MAX_BATCHES: Final = 4_096
_TRACES_PER_UNIT: Final = 64
"""Traces that are sent, accepted or dropped together."""
_SERIES: Final = "local.series"
_METER: Final = "local.meter"
_OPEN: Final = "local.open"
_WORKERS: Final = "local.workers"
_NAMES: Final = "local.names"
_FRAMES: Final = "local.frames"
_HOLD: Final = "local.hold"
_TRACES: Final = "local.traces"


@dataclass(frozen=True, slots=True)
class _Hop:
    """A finished request whose trace is kept."""

    record: RequestRecord
    divided: Partition
    resource: Resource
    wall_offset_ns: int


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
        self._policy = KeepPolicy(self._meter, baseline_ratio=baseline_ratio, monotonic_ns=monotonic_ns)
        self._frames = HeldFrames()
        self._hold = TraceHold(self._frames)
        self._open = OpenRequests(self._meter)
        self._workers = WorkerSeries(aggregator)
        self._lane = Lane(
            self._meter, self._policy, self._hold if writer is not None else None, monotonic_ns=monotonic_ns
        )
        self._durations = aggregator.layout(requests.REQUEST_DURATION)
        self._noted: set[tuple[Labels, int]] = set()
        self._batches: dict[int, Batch] = {}
        self._newest: dict[bytes, int] = {}
        aggregator.set(telemetry.BUILD_INFO, (VERSION, _INTAKE), 1)
        self.snapshot = Snapshot()
        """What ``/metrics`` shows."""

    def absorb(self, arrivals: Sequence[Arrival]) -> bool:
        """Take in new frames."""
        changed = False
        self._lane.begin()
        self._noted.clear()
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
        info, frame = arrival.worker, arrival.frame
        changed = self._workers.frame(arrival)
        changed |= cold_starts.absorb(arrival, self._aggregator, self._writer)
        for batch in batches(frame, arrival.names):
            self._meter.batch(batch)
            self._batches[batch.batch_id] = batch
            if len(self._batches) > _MAX_BATCHES:
                del self._batches[next(iter(self._batches))]
            changed = True
        offset = frame.wall_ns - frame.monotonic_ns
        number = self._frames.offer(arrival) if self._writer is not None else 0
        left: list[Row] = []
        for passed in self._lane.absorb(arrival, number, self._open.closed):
            changed |= passed.taken > 0
            left += passed.left
            if self._writer is not None and passed.spans:
                self._write_passed(self._writer, info, passed)
        for record in records(frame, arrival.names, left) if left else ():
            changed = True
            if self._open.late(record.span_id):
                self._aggregator.add(telemetry.DROPS, (_INTAKE, _LATE))
                continue
            foreign = int(record.flags) & _FOREIGN
            whole = self._writer is not None or foreign
            divided = partition(record) if whole else Partition(tuple(stage_totals(record)), ())
            self._meter.finished(record, divided)
            if foreign:
                self._of_the_user(record, divided, offset)
            elif self._writer is not None:
                reason = self._kept(self._writer, record, divided, number)
                if reason is not None:
                    self._write(self._writer, _Hop(record, divided, resource_of(info, record), offset), reason)
        return changed

    def _write_passed(self, writer: TraceWriter, info: WorkerInfo, passed: Passed) -> None:
        self._aggregator.add(telemetry.TRACES_KEPT, (BASELINE,), len(passed.spans))
        resource = Resource(service=info.service, host=info.host, pid=info.pid, region=passed.region, pod=info.pod)
        for at in range(0, len(passed.spans), _TRACES_PER_UNIT):
            part = slice(at, at + _TRACES_PER_UNIT)
            pieces = passed.spans[part]
            writer.write_encoded(envelope(resource, pieces), sum(passed.numbers[part]), len(pieces))

    def _of_the_user(self, record: RequestRecord, divided: Partition, offset: int) -> None:
        """A request whose spans leave through the user's own pipeline, if its sampler says so; ours would be twice."""
        if int(record.flags) & _SAMPLED:
            self._show(_notes(record, divided, offset))

    def _kept(self, writer: TraceWriter, record: RequestRecord, divided: Partition, number: int) -> str | None:
        """Why a request's trace is kept; its hops that waited are exported with the first reason to.

        None: it is held, as a part of frame *number*.
        """
        reason = self._reason(record, divided)
        first = self._hold.kept(record.trace_id)
        if first is not None:
            return first
        if reason is None:
            self._hold.hold(record.trace_id, number, record.span_id, self._now())
            return None
        self._aggregator.add(telemetry.TRACES_KEPT, (reason,))
        for frame, span_id in self._hold.keep(record.trace_id, reason):
            self._write_held(writer, frame, span_id, reason)
        return reason

    def _reason(self, record: RequestRecord, divided: Partition) -> str | None:
        return self._policy.reason(
            Finished(
                labels=record.labels,
                trace_id=record.trace_id,
                outcome=record.outcome,
                flags=record.flags,
                times=times(record, divided),
            )
        )

    def departed(self, worker_ids: Sequence[bytes]) -> bool:
        """End what these workers left open."""
        ended = list(self._open.end(worker_ids, self._now()))
        for worker_id, record in ended:
            totals = Partition(tuple(stage_totals(record)), ())
            self._meter.finished(record, totals)
            if self._writer is None or int(record.flags) & _FOREIGN:
                continue
            process = self._frames.process(worker_id, record)
            if process is not None:
                # A failed request is always a reason to keep its trace; no frame has the rest of it.
                reason = self._kept(self._writer, record, totals, 0)
                if reason is not None:
                    self._write(self._writer, _Hop(record, partition(record), *process), reason)
        for worker_id in worker_ids:
            self._newest.pop(worker_id, None)
        self._workers.departed(worker_ids)
        return bool(ended)

    def tick(self, now_ns: int) -> bool:
        """Forget requests whose traces nobody keeps, show exemplars of those that were accepted."""
        changed = self._settle(self._writer, now_ns) if self._writer is not None else False
        self._workers.show()
        self._show_lag(now_ns)
        return self._aggregator.settle() or changed

    def _show_lag(self, now_ns: int) -> None:
        if self._newest:
            self._aggregator.set(telemetry.FRAME_LAG, (), now_ns - min(self._newest.values()))
        else:
            self._aggregator.remove(telemetry.FRAME_LAG, ())

    def _settle(self, writer: TraceWriter, now_ns: int) -> bool:
        self._hold.pass_by(now_ns, self._open.traces())
        forgotten = self._hold.take_forgotten()
        outcomes = writer.settle()
        self._show(outcomes.notes)
        for entry, labels, number in (
            (telemetry.SPANS_EXPORTED, (), outcomes.spans_accepted),
            (telemetry.EXPORT_FAILURES, (), outcomes.failures),
            (telemetry.DROPS, (_INTAKE, _QUEUE_FULL), outcomes.dropped),
            (telemetry.DROPS, (_INTAKE, _REJECTED), outcomes.rejected),
            (telemetry.DROPS, (_INTAKE, _HOLD_FULL), forgotten),
        ):
            if number:
                self._aggregator.add(entry, labels, number)
        return bool(outcomes or forgotten)

    def _show(self, notes: Iterable[Note]) -> None:
        for note in notes:
            exemplar = Exemplar(trace_id=note.trace_id, value=note.value, wall_ns=note.wall_ns)
            self._aggregator.exemplar(series(note.series), note.labels, exemplar)

    def _write_held(self, writer: TraceWriter, frame: int, span_id: int, reason: str) -> None:
        try:
            record, resource, offset = self._frames.read(frame, span_id)
        except WireError:
            self._aggregator.add(telemetry.DROPS, (_INTAKE, _UNDECODABLE))
            return
        self._write(writer, _Hop(record, partition(record), resource, offset), reason)

    def _write(self, writer: TraceWriter, hop: _Hop, reason: str) -> None:
        record, divided = hop.record, hop.divided
        known = {run.batch_id: self._batches[run.batch_id] for run in record.executes if run.batch_id in self._batches}
        writer.write(
            Kept(
                record=record,
                partition=divided,
                resource=hop.resource,
                wall_offset_ns=hop.wall_offset_ns,
                reason=reason,
                batches=known,
            ),
            _notes(record, divided, hop.wall_offset_ns) if self._is_noted(record, reason) else (),
        )

    def _is_noted(self, record: RequestRecord, reason: str) -> bool:
        """Whether a kept trace's observations become exemplars: of the baseline, one a pass and bucket is enough."""
        bucket = record.labels, self._durations.classic_index(record.duration_ns)
        if reason == BASELINE and bucket in self._noted:
            return False
        self._noted.add(bucket)
        return True

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
        if self._writer is not None:
            sections[_TRACES] = self._writer.dump()
            sections[_NAMES] = self._frames.dump_names()
            sections[_FRAMES] = self._frames.dump()
            sections[_HOLD] = self._hold.dump(self._frames.durable())
        return sections

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
        if self._writer is not None and _TRACES in sections:
            self._writer.load(sections[_TRACES])
            if same_boot:
                self._frames.load_names(sections.get(_NAMES, b""))
                self._frames.load(sections.get(_FRAMES, b""))
                self._hold.load(sections.get(_HOLD, b""))
                self._frames.drop_unheld()

    def publish(self) -> None:
        """Swap what ``/metrics`` shows."""
        self.snapshot = self._aggregator.snapshot()


def _notes(record: RequestRecord, divided: Partition, wall_offset_ns: int) -> list[Note]:
    """Every observation of a request, for its exemplars."""
    wall = record.end + wall_offset_ns
    return [
        Note(series=p.entry.name, labels=p.labels, value=p.value, trace_id=record.trace_id, wall_ns=wall)
        for p in points(record, divided)
    ]
