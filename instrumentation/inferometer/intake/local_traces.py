"""Traces that an elected worker keeps: it holds those that may be worth it yet, and hands the others to a writer."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from inferometer.aggregate import Aggregator
from inferometer.aggregate.measures import times
from inferometer.catalog import requests, telemetry
from inferometer.catalog.labels import COMPONENT, DROP_REASON
from inferometer.errors import WireError
from inferometer.intake import exemplars
from inferometer.intake.held_frames import HeldFrames, resource_of
from inferometer.intake.hold import TraceHold
from inferometer.intake.keep import BASELINE, Finished, KeepPolicy
from inferometer.intake.lane import Passed
from inferometer.intake.pipeline import Arrival, WorkerInfo
from inferometer.otlp.kept import Kept, Resource
from inferometer.otlp.span_layout import envelope
from inferometer.otlp.writer import TraceWriter
from inferometer.record.model import Batch, Labels, RequestRecord
from inferometer.record.partition import Partition, partition

_INTAKE: Final = COMPONENT.values[1]
_QUEUE_FULL, _REJECTED, _, _UNDECODABLE, _HOLD_FULL = DROP_REASON.values[2:7]
_MAX_BATCHES: Final = 4_096
_TRACES_PER_UNIT: Final = 64
"""Traces that are sent, accepted or dropped together."""
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


class LocalTraces:
    """Keeps traces; used by one thread.

    Args:
        aggregator: counts them, and shows exemplars of those that were accepted.
        policy: says which are worth it.
        writer: exports them.
        monotonic_ns: CLOCK_MONOTONIC.
    """

    def __init__(
        self, aggregator: Aggregator, policy: KeepPolicy, writer: TraceWriter, *, monotonic_ns: Callable[[], int]
    ) -> None:
        self._writer = writer
        self._aggregator = aggregator
        self._policy = policy
        self._now = monotonic_ns
        self._frames = HeldFrames()
        self.hold = TraceHold(self._frames)
        """Requests whose traces may be kept yet."""
        self._durations = aggregator.layout(requests.REQUEST_DURATION)
        self._noted: set[tuple[Labels, int]] = set()
        self._batches: dict[int, Batch] = {}

    def begin(self) -> None:
        """A pass begins."""
        self._noted.clear()

    def offer(self, arrival: Arrival) -> int:
        """The number of a new frame, of which requests may be held."""
        return self._frames.offer(arrival)

    def batch(self, batch: Batch) -> None:
        """Remember a batch, whose requests come later."""
        self._batches[batch.batch_id] = batch
        if len(self._batches) > _MAX_BATCHES:
            del self._batches[next(iter(self._batches))]

    def passed(self, info: WorkerInfo, passed: Passed) -> None:
        """Send requests that the lane has encoded."""
        self._aggregator.add(telemetry.TRACES_KEPT, (BASELINE,), len(passed.spans))
        resource = Resource(service=info.service, host=info.host, pid=info.pid, region=passed.region, pod=info.pod)
        for at in range(0, len(passed.spans), _TRACES_PER_UNIT):
            part = slice(at, at + _TRACES_PER_UNIT)
            pieces = passed.spans[part]
            self._writer.write_encoded(envelope(resource, pieces), sum(passed.numbers[part]), len(pieces))

    def finished(self, info: WorkerInfo, record: RequestRecord, divided: Partition, offset: int, number: int) -> None:
        """Send a finished request of frame *number*, or hold it; *offset* is from its clock to the wall's, ns."""
        reason = self._kept(record, divided, number)
        if reason is not None:
            self._write(_Hop(record, divided, resource_of(info, record), offset), reason)

    def abandoned(self, worker_id: bytes, record: RequestRecord, totals: Partition) -> None:
        """Send a request that a worker left open."""
        process = self._frames.process(worker_id, record)
        if process is None:
            return
        # A failed request is always a reason to keep its trace; no frame has the rest of it.
        reason = self._kept(record, totals, 0)
        if reason is not None:
            self._write(_Hop(record, partition(record), *process), reason)

    def settle(self, now_ns: int, still_open: Collection[int]) -> bool:
        """Forget requests whose traces nobody keeps, show exemplars of those that were accepted; whether any was.

        Args:
            now_ns: CLOCK_MONOTONIC.
            still_open: traces of requests that have not ended.
        """
        self.hold.pass_by(now_ns, still_open)
        forgotten = self.hold.take_forgotten()
        outcomes = self._writer.settle()
        exemplars.show(self._aggregator, outcomes.notes)
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

    def _kept(self, record: RequestRecord, divided: Partition, number: int) -> str | None:
        """Why a request's trace is kept; its hops that waited are exported with the first reason to.

        None: it is held, as a part of frame *number*.
        """
        reason = self._reason(record, divided)
        first = self.hold.kept(record.trace_id)
        if first is not None:
            return first
        if reason is None:
            self.hold.hold(record.trace_id, number, record.span_id, self._now())
            return None
        self._aggregator.add(telemetry.TRACES_KEPT, (reason,))
        for frame, span_id in self.hold.keep(record.trace_id, reason):
            self._write_held(frame, span_id, reason)
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

    def _write_held(self, frame: int, span_id: int, reason: str) -> None:
        try:
            record, resource, offset = self._frames.read(frame, span_id)
        except WireError:
            self._aggregator.add(telemetry.DROPS, (_INTAKE, _UNDECODABLE))
            return
        self._write(_Hop(record, partition(record), resource, offset), reason)

    def _write(self, hop: _Hop, reason: str) -> None:
        record, divided = hop.record, hop.divided
        known = {run.batch_id: self._batches[run.batch_id] for run in record.executes if run.batch_id in self._batches}
        self._writer.write(
            Kept(
                record=record,
                partition=divided,
                resource=hop.resource,
                wall_offset_ns=hop.wall_offset_ns,
                reason=reason,
                batches=known,
            ),
            exemplars.notes(record, divided, hop.wall_offset_ns) if self._is_noted(record, reason) else (),
        )

    def _is_noted(self, record: RequestRecord, reason: str) -> bool:
        """Whether a kept trace's observations become exemplars: of the baseline, one a pass and bucket is enough."""
        bucket = record.labels, self._durations.classic_index(record.duration_ns)
        if reason == BASELINE and bucket in self._noted:
            return False
        self._noted.add(bucket)
        return True

    def dump(self) -> dict[str, bytes]:
        """What must survive."""
        return {
            _TRACES: self._writer.dump(),
            _NAMES: self._frames.dump_names(),
            _FRAMES: self._frames.dump(),
            _HOLD: self.hold.dump(self._frames.durable()),
        }

    def load(self, sections: Mapping[str, bytes], *, same_boot: bool) -> None:
        """Go on where a state ended; one of a process that kept no traces has none.

        Raises:
            StateError: a section is not as `dump` writes it.
        """
        if _TRACES not in sections:
            return
        self._writer.load(sections[_TRACES])
        if same_boot:
            self._frames.load_names(sections.get(_NAMES, b""))
            self._frames.load(sections.get(_FRAMES, b""))
            self.hold.load(sections.get(_HOLD, b""))
            self._frames.drop_unheld()
