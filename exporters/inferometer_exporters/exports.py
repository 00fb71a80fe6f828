"""Kept traces on their way out: hops from the recorder, as spans and as exemplars."""

from collections.abc import Mapping, Sequence
from typing import Final

from inferometer.aggregate import Aggregator, Exemplar, of_model, points
from inferometer.catalog import requests, telemetry
from inferometer.catalog.index import series
from inferometer.catalog.labels import COMPONENT, DROP_REASON
from inferometer.otlp.kept import Kept, Resource
from inferometer.otlp.writer import Note, TraceWriter
from inferometer.record.model import Batch, Flag
from inferometer.wire.pod import Pod
from inferometer_exporters.kept import Due
from inferometer_exporters.naming import Naming
from inferometer_exporters.recorder.hops import Hop, Wanted, hops
from inferometer_exporters.recorder.store import Recorder

_SIDECAR: Final = COMPONENT.values[-1]
_QUEUE_FULL, _REJECTED = DROP_REASON.values[2:4]


class Exports:
    """Sends kept traces and shows their exemplars; used by one thread.

    Args:
        recorder: has the hops.
        naming: has their names.
        aggregator: shows exemplars.
        writer: exports traces; None: the recorder is the only trace store, and has accepted what it holds.
        host: name of this host as a device.
    """

    def __init__(
        self, recorder: Recorder, naming: Naming, aggregator: Aggregator, writer: TraceWriter | None, *, host: str
    ) -> None:
        self._host = host
        self._recorder = recorder
        self._naming = naming
        self._aggregator = aggregator
        self._writer = writer

    def send(self, due: Sequence[Due], batches: Mapping[int, Batch]) -> None:
        """Export the hops of kept traces that the recorder has.

        Args:
            due: the traces.
            batches: that are known, by id.
        """
        if not due:
            return
        wanted = [Wanted(trace_id=trace.trace_id, since_ns=trace.since_ns, after=trace.after) for trace in due]
        cursor = self._recorder.cursor()
        try:
            for hop in hops(cursor, wanted, labels=self._naming.labels, text=self._naming.text, host=self._host):
                self._hop(hop, due[hop.wanted].reason, batches)
        finally:
            cursor.close()

    def _hop(self, hop: Hop, reason: str, batches: Mapping[int, Batch]) -> None:
        notes = _notes(hop)
        if self._writer is None:
            self._exemplars(notes)
            return
        if hop.record.flags & Flag.FOREIGN_SPANS:
            # Its spans leave through the user's own pipeline, if its sampler says so; ours would be a second set.
            if hop.record.flags & Flag.SAMPLED:
                self._exemplars(notes)
            return
        kept = Kept(
            record=hop.record,
            partition=hop.partition,
            resource=self._resource(hop),
            wall_offset_ns=hop.wall_offset_ns,
            reason=reason,
            outlay=hop.outlay,
            batches={run.batch_id: batches[run.batch_id] for run in hop.record.executes if run.batch_id in batches},
        )
        self._writer.write(kept, notes)

    def _resource(self, hop: Hop) -> Resource:
        process = self._recorder.processes[hop.process]
        _, pid, host, service, *pod = process if process is not None else (0, 0, "", hop.record.labels.service)
        region = hop.record.labels.region
        return Resource(service=service, host=host, pid=pid, region=region, pod=Pod.of(tuple(pod)))

    def settle(self) -> bool:
        """Show exemplars of traces that were accepted, and count; True if anything happened."""
        if self._writer is None:
            return False
        outcomes = self._writer.settle()
        self._exemplars(outcomes.notes)
        for entry, labels, number in (
            (telemetry.SPANS_EXPORTED, (), outcomes.spans_accepted),
            (telemetry.EXPORT_FAILURES, (), outcomes.failures),
            (telemetry.DROPS, (_SIDECAR, _QUEUE_FULL), outcomes.dropped),
            (telemetry.DROPS, (_SIDECAR, _REJECTED), outcomes.rejected),
        ):
            if number:
                self._aggregator.add(entry, labels, number)
        return bool(outcomes)

    def _exemplars(self, notes: Sequence[Note]) -> None:
        for note in notes:
            exemplar = Exemplar(trace_id=note.trace_id, value=note.value, wall_ns=note.wall_ns)
            self._aggregator.exemplar(series(note.series), note.labels, exemplar)


def _notes(hop: Hop) -> list[Note]:
    """What was observed of a hop; nothing of a warm-up, which is in no histogram."""
    record = hop.record
    if record.flags & Flag.WARMUP:
        return []
    seen = [(point.entry.name, point.labels, point.value) for point in points(record, hop.partition)]
    cost = hop.outlay.cost_picodollars
    if record.executes and cost is not None:
        seen.append((requests.REQUEST_COST.name, of_model(record.labels), cost))
    wall = record.end + hop.wall_offset_ns
    return [
        Note(series=name, labels=labels, value=value, trace_id=record.trace_id, wall_ns=wall)
        for name, labels, value in seen
    ]
