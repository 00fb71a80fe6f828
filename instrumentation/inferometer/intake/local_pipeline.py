"""The pipeline of an elected worker: series, kept traces; no store, no ledger. Pure Python, record by record."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from inferometer.aggregate import Aggregator, Exemplar, RequestMeter, Snapshot
from inferometer.aggregate.requests import points
from inferometer.catalog import series, telemetry
from inferometer.catalog.labels import COMPONENT, DROP_REASON
from inferometer.errors import StateError
from inferometer.fleet.thresholds import Thresholds
from inferometer.intake.hold import TraceHold
from inferometer.intake.keep import Finished, KeepPolicy
from inferometer.intake.open_requests import OpenRequests
from inferometer.intake.pipeline import Arrival
from inferometer.intake.worker_series import WorkerSeries
from inferometer.otlp.encode import Kept, Resource
from inferometer.otlp.writer import Note, TraceWriter
from inferometer.record.model import Batch, RequestRecord
from inferometer.record.partition import Partition, partition, stage_totals
from inferometer.wire.records import batches, records

_INTAKE: Final = COMPONENT.values[1]
_QUEUE_FULL, _REJECTED, _LATE, _UNDECODABLE = DROP_REASON.values[2:6]
_MAX_BATCHES: Final = 4_096
_SERIES: Final = "local.series"
_METER: Final = "local.meter"
_OPEN: Final = "local.open"
_WORKERS: Final = "local.workers"
_TRACES: Final = "local.traces"


@dataclass(frozen=True, slots=True)
class Hop:
    """A finished request that waits for its trace's decision."""

    record: RequestRecord
    resource: Resource
    wall_offset_ns: int


class LocalPipeline:
    """What an elected worker does with the frames of all workers of this user and host.

    Args:
        aggregator: holds all series.
        thresholds: objectives and tenants of fleet.yaml.
        writer: exports kept traces; None: nobody wants them.
        monotonic_ns: CLOCK_MONOTONIC.
    """

    def __init__(
        self,
        aggregator: Aggregator,
        thresholds: Thresholds,
        writer: TraceWriter | None,
        *,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._aggregator = aggregator
        self._writer = writer
        self._now = monotonic_ns
        self._meter = RequestMeter(aggregator, thresholds)
        self._policy = KeepPolicy(self._meter, monotonic_ns=monotonic_ns)
        self._hold = TraceHold[Hop]()
        self._open = OpenRequests(self._meter)
        self._workers = WorkerSeries(aggregator)
        self._batches: dict[int, Batch] = {}
        self.snapshot = Snapshot()
        """What ``/metrics`` shows."""

    def absorb(self, arrivals: Sequence[Arrival]) -> bool:
        """Take in new frames."""
        changed = False
        newest: dict[bytes, Arrival] = {}
        for arrival in arrivals:
            changed |= self._frame(arrival)
            newest[arrival.frame.worker_id] = arrival
        for arrival in newest.values():
            changed |= self._open.replace(arrival)
        return changed

    def _frame(self, arrival: Arrival) -> bool:
        info, frame = arrival.worker, arrival.frame
        changed = self._workers.frame(arrival)
        for batch in batches(frame, arrival.names):
            self._meter.batch(batch)
            self._batches[batch.batch_id] = batch
            if len(self._batches) > _MAX_BATCHES:
                del self._batches[next(iter(self._batches))]
            changed = True
        offset = frame.wall_ns - frame.monotonic_ns
        for record in records(frame, arrival.names):
            resource = Resource(service=info.service, host=info.host, pid=info.pid, region=record.labels.region)
            self._finished(Hop(record, resource, offset))
            changed = True
        return changed

    def _finished(self, hop: Hop) -> None:
        record = hop.record
        if self._open.late(record.span_id):
            self._aggregator.add(telemetry.DROPS, (_INTAKE, _LATE))
            return
        self._meter.finished(record, Partition(tuple(stage_totals(record)), ()))
        if self._writer is None:
            return
        reason = self._policy.reason(
            Finished(
                labels=record.labels,
                trace_id=record.trace_id,
                outcome=record.outcome,
                flags=record.flags,
                duration_ns=record.duration_ns,
                first_chunk_ns=record.first_chunk_ns,
            )
        )
        self._hold.offer(record.trace_id, hop, reason, self._now())

    def departed(self, worker_ids: Sequence[bytes]) -> bool:
        """End what these workers left open."""
        ended = list(self._open.end(worker_ids, self._now()))
        for record in ended:
            self._meter.finished(record, Partition(tuple(stage_totals(record)), ()))
        self._workers.departed(worker_ids)
        return bool(ended)

    def tick(self, now_ns: int) -> bool:
        """Export traces that are decided, show exemplars of those that were accepted."""
        changed = self._export(now_ns) if self._writer is not None else False
        self._workers.show()
        return self._aggregator.settle() or changed

    def _export(self, now_ns: int) -> bool:
        assert self._writer is not None  # noqa: S101 - asked by the caller
        changed = False
        for reason, hops in self._hold.due(now_ns, self._open.traces()):
            self._aggregator.add(telemetry.TRACES_KEPT, (reason,))
            for hop in hops:
                self._write(self._writer, hop, reason)
            changed = True
        outcomes = self._writer.settle()
        for note in outcomes.notes:
            exemplar = Exemplar(trace_id=note.trace_id, value=note.value, wall_ns=note.wall_ns)
            self._aggregator.exemplar(series(note.series), note.labels, exemplar)
        for entry, labels, number in (
            (telemetry.SPANS_EXPORTED, (), outcomes.spans_accepted),
            (telemetry.EXPORT_FAILURES, (), outcomes.failures),
            (telemetry.DROPS, (_INTAKE, _QUEUE_FULL), outcomes.dropped),
            (telemetry.DROPS, (_INTAKE, _REJECTED), outcomes.rejected),
        ):
            if number:
                self._aggregator.add(entry, labels, number)
        return changed or bool(outcomes)

    def _write(self, writer: TraceWriter, hop: Hop, reason: str) -> None:
        record = hop.record
        divided = partition(record)
        known = {run.batch_id: self._batches[run.batch_id] for run in record.executes if run.batch_id in self._batches}
        wall = record.end + hop.wall_offset_ns
        notes = [
            Note(series=p.entry.name, labels=p.labels, value=p.value, trace_id=record.trace_id, wall_ns=wall)
            for p in points(record, divided)
        ]
        writer.write(
            Kept(
                record=record,
                partition=divided,
                resource=hop.resource,
                wall_offset_ns=hop.wall_offset_ns,
                reason=reason,
                batches=known,
            ),
            notes,
        )

    def commit(self, number: int, *, previous_ns: int | None) -> None:  # noqa: ARG002 - there is no store
        """Note how long passes take."""
        if previous_ns is not None:
            self._aggregator.observe(telemetry.PASS_DURATION, (), previous_ns)

    def rollback(self, number: int | None) -> int:
        """Nothing is stored elsewhere: the newest pass is that of the state."""
        return number or 0

    def dump(self) -> Mapping[str, bytes]:
        """Everything that must survive; traces that are not decided yet are not: they are a sample."""
        sections = {
            _SERIES: self._aggregator.dump(),
            _METER: self._meter.dump(),
            _OPEN: self._open.dump(),
            _WORKERS: self._workers.dump(),
        }
        if self._writer is not None:
            sections[_TRACES] = self._writer.dump()
        return sections

    def load(self, sections: Mapping[str, bytes], *, same_boot: bool) -> None:
        """Go on where a state ended.

        Raises:
            StateError: a section is not as `dump` writes it.
        """
        try:
            self._aggregator.load(sections[_SERIES])
            self._meter.load(sections[_METER])
            self._workers.load(sections[_WORKERS])
            if same_boot:
                self._open.load(sections[_OPEN])
        except KeyError as error:
            raise StateError(f"the state has no section {error}") from error
        if self._writer is not None and _TRACES in sections:
            self._writer.load(sections[_TRACES])

    def publish(self) -> None:
        """Swap what ``/metrics`` shows."""
        if self._workers.undecodable:
            number, self._workers.undecodable = self._workers.undecodable, 0
            self._aggregator.add(telemetry.DROPS, (_INTAKE, _UNDECODABLE), number)
        self.snapshot = self._aggregator.snapshot()
