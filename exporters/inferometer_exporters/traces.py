"""Kept traces from the decision to the exemplar: what a pass does about them."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Final

from inferometer.aggregate import Aggregator
from inferometer.catalog import telemetry
from inferometer.otlp.writer import TraceWriter
from inferometer.record.model import Batch
from inferometer_exporters.columns.tables import Columns
from inferometer_exporters.exports import Exports
from inferometer_exporters.keeping import Keeping
from inferometer_exporters.kept import Due
from inferometer_exporters.recorder.tables import kept_rows

SEND_NS: Final = 10**9
"""Time between looks for kept traces in the recorder: four questions, which take as long for one trace as for many."""
_MAX_BATCHES: Final = 4_096
_WAITING: Final = "sidecar.traces"


class Traces:
    """Judges, sends and remembers; used by one thread.

    Args:
        keeping: decides.
        exports: sends.
        aggregator: counts.
        writer: holds what waits to be accepted; None where the recorder is the only trace store.
    """

    def __init__(self, keeping: Keeping, exports: Exports, aggregator: Aggregator, writer: TraceWriter | None) -> None:
        self._keeping = keeping
        self._exports = exports
        self._aggregator = aggregator
        self._writer = writer
        self._batches: dict[int, Batch] = {}
        self._looked_ns = 0

    def batch(self, batch: Batch) -> None:
        """Remember a batch for the spans of its members."""
        self._batches[batch.batch_id] = batch
        if len(self._batches) > _MAX_BATCHES:
            del self._batches[next(iter(self._batches))]

    def judge(self, rows: Columns, wall_ns: int) -> Columns:
        """Look at settled requests; rows of the recorder's table of kept traces, empty where none is new."""
        kept = self._keeping.judge(rows)
        for reason, number in Counter(reason for _, reason in kept).items():
            self._aggregator.add(telemetry.TRACES_KEPT, (reason,), number)
        return kept_rows(kept, wall_ns) if kept else {}

    def send(
        self, now_ns: int, open_traces: Callable[[], Collection[int]], stored: int, *, at_once: bool = False
    ) -> bool:
        """Send traces that are decided, and see what became of those before; True if anything happened.

        Args:
            now_ns: CLOCK_MONOTONIC.
            open_traces: traces that have open requests here.
            stored: the newest pass whose rows the recorder has.
            at_once: no other pass follows.
        """
        due: list[Due] = []
        if at_once or now_ns - self._looked_ns >= SEND_NS:
            self._looked_ns = now_ns
            due = list(self._keeping.due(now_ns, open_traces, stored))
            self._exports.send(due, self._batches)
        return self._exports.settle() or bool(due)

    def dump(self) -> dict[str, bytes]:
        """Sections of the state file."""
        waiting = {} if self._writer is None else {_WAITING: self._writer.dump()}
        return waiting | self._keeping.dump()

    def load(self, sections: Mapping[str, bytes], *, same_boot: bool) -> None:
        """Take over what `dump` wrote; traces that were not sent before a boot are in the recorder alone.

        Raises:
            StateError: it is not what `dump` writes.
        """
        if self._writer is not None and _WAITING in sections:
            self._writer.load(sections[_WAITING])
        if same_boot:
            self._keeping.load(sections)
