"""Rows on their way into the recorder, and the recorder's upkeep."""

from typing import Final

from inferometer.aggregate import Aggregator
from inferometer.catalog import telemetry
from inferometer.catalog.labels import COMPONENT, DROP_REASON
from inferometer.errors import StateError
from inferometer_exporters.columns.tables import Columns, concatenate, length
from inferometer_exporters.recorder.store import Recorder

MAX_REQUESTS: Final = 200_000
"""Requests that wait while the recorder's disk is full."""
UPKEEP_NS: Final = 10 * 10**9
_SIDECAR: Final = COMPONENT.values[-1]
_QUEUE_FULL: Final = DROP_REASON.values[2]


class Unstored:
    """Collects the rows of a pass and stores them.

    Args:
        recorder: stores them.
        aggregator: shows the recorder's size, and counts what is lost.
    """

    def __init__(self, recorder: Recorder, aggregator: Aggregator) -> None:
        self._recorder = recorder
        self._aggregator = aggregator
        self._rows: dict[str, list[Columns]] = {}
        self._kept_up = 0
        self.stored = 0
        """The newest pass whose rows the recorder has."""

    def put(self, table: str, rows: Columns) -> None:
        """Collect rows of a table."""
        if length(rows):
            self._rows.setdefault(table, []).append(rows)

    def store(self, number: int) -> None:
        """Store what was collected as rows of pass *number*.

        Raises:
            StateError: the recorder cannot take them; they wait, as far as there is room.
        """
        try:
            self._recorder.write(number, {table: concatenate(parts) for table, parts in self._rows.items()})
        except StateError:
            self._bound()
            raise
        self._rows.clear()
        self.stored = number

    def _bound(self) -> None:
        """Where nothing can be stored for long, what waits is given up and counted."""
        waiting = sum(length(rows) for rows in self._rows.get("requests", ()))
        if waiting > MAX_REQUESTS:
            self._rows.clear()
            self._aggregator.add(telemetry.DROPS, (_SIDECAR, _QUEUE_FULL), waiting)

    def rollback(self, number: int | None) -> int:
        """Delete rows of passes after *number*; the newest that remains."""
        self.stored = self._recorder.rollback(number)
        return self.stored

    def upkeep(self, now_ns: int, wall_ns: int) -> None:
        """Now and then: delete what is too old, show how large the recorder is."""
        if now_ns - self._kept_up >= UPKEEP_NS:
            self._kept_up = now_ns
            self._recorder.trim(wall_ns)
            self._aggregator.set(telemetry.RECORDER_ROWS, (), self._recorder.rows)
            self._aggregator.set(telemetry.RECORDER_BYTES, (), self._recorder.size)
