"""Rows on their way into the recorder, and the recorder's upkeep.

Where the recorder takes no rows, for its disk is full, everything else goes on: series, ledger and the state file. Rows
wait here, with the names that they refer to; what a crash takes of them meanwhile is counted when the state is loaded.
"""

import json
import logging
from collections.abc import Mapping
from typing import Final

from inferometer.aggregate import Aggregator
from inferometer.catalog import telemetry
from inferometer.catalog.labels import COMPONENT, DROP_REASON
from inferometer.errors import StateError
from inferometer_exporters.columns.tables import Columns, concatenate, length
from inferometer_exporters.recorder.store import Recorder

_log = logging.getLogger(__name__)

MAX_REQUESTS: Final = 200_000
"""Requests that wait while the recorder's disk is full."""
MAX_SPANS: Final = 200_000
"""Spans of others that wait, beside them."""
MAX_ROWS: Final = 2_000_000
"""Rows of all tables that wait: what belongs to requests, and of each device six a second."""
UPKEEP_NS: Final = 10 * 10**9
PATIENCE: Final = 64
"""Passes between two attempts while the recorder takes nothing, at most: each costs as much as all rows that wait."""
_REQUESTS: Final = "requests"
_SPANS: Final = "spans"
_SECTION: Final = "sidecar.unstored"
_LET_GO: Final = "sidecar.spans_let_go"
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
        self._failures = 0
        self._attempt_at = 0
        self._names: dict[str, list[list[object]]] = {}
        self._let_go = recorder.spans_let_go
        self.stored = 0
        """The newest pass whose rows the recorder has."""

    def put(self, table: str, rows: Columns) -> None:
        """Collect rows of a table."""
        if length(rows):
            self._rows.setdefault(table, []).append(rows)

    def store(self, number: int, *, last: bool) -> None:
        """Store what was collected as rows of pass *number*; where the recorder cannot take them they wait.

        Args:
            number: of the pass.
            last: no other pass follows.
        """
        if number < self._attempt_at and not last:
            self._bound()
            return
        try:
            self._recorder.write(number, {table: concatenate(parts) for table, parts in self._rows.items()})
        except StateError as error:
            if not self._failures:
                _log.error("%s; requests wait for it, at most %d of them", error, MAX_REQUESTS)
            self._attempt_at = number + min(1 << self._failures, PATIENCE)
            self._failures += 1
            self._bound()
            return
        if self._failures:
            _log.warning("the flight recorder takes rows again")
        self._failures = 0
        self._rows.clear()
        self.stored = number
        self._count_let_go()

    def _count_let_go(self) -> None:
        if (gone := self._recorder.spans_let_go - self._let_go) > 0:
            self._aggregator.add(telemetry.SPANS_LET_GO, (), gone)
        self._let_go = self._recorder.spans_let_go

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return self._waiting(_REQUESTS)

    def _waiting(self, *tables: str) -> int:
        return sum(length(rows) for table in tables for rows in self._rows.get(table, ()))

    def _bound(self) -> None:
        """Where nothing can be stored for long, what waits is given up and counted."""
        lost = 0
        if self._waiting(_SPANS) > MAX_SPANS:
            lost = self._waiting(_SPANS)
            del self._rows[_SPANS]
        if self.waiting > MAX_REQUESTS or self._waiting(*self._rows) > MAX_ROWS:
            lost += self._waiting(_REQUESTS, _SPANS)
            self._rows.clear()
        if lost:
            self._aggregator.add(telemetry.DROPS, (_SIDECAR, _QUEUE_FULL), lost)

    def dump(self) -> dict[str, bytes]:
        """What a crash would take: how many requests wait, and names that the state uses and the recorder lacks.

        And how many spans that went are counted: the recorder is stored before the state, so that it may know of more.
        """
        counted = {_LET_GO: json.dumps(self._let_go).encode()}
        if not self._failures:
            return counted
        told = {"requests": self.waiting, "names": self._recorder.fresh_names()}
        return counted | {_SECTION: json.dumps(told).encode()}

    def load(self, sections: Mapping[str, bytes], *, same_names: bool) -> None:
        """Count what was lost with the process that wrote this state; `rollback` gives its names their numbers.

        Raises:
            StateError: it is not what `dump` writes.
        """
        try:
            # States of before 2026-11-24 do not say it, and another file's number means nothing here.
            if same_names and _LET_GO in sections:
                self._let_go = int(json.loads(sections[_LET_GO]))
        except (TypeError, ValueError) as error:
            raise StateError(f"spans that were let go are not as the sidecar writes them: {error}") from error
        if _SECTION not in sections:
            return
        try:
            told = json.loads(sections[_SECTION])
            lost, names = int(told["requests"]), dict(told["names"])
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"rows that waited are not as the sidecar writes them: {error}") from error
        self._names = names if same_names else {}
        self._aggregator.add(telemetry.DROPS, (_SIDECAR, _QUEUE_FULL), lost)

    def rollback(self, number: int | None) -> int:
        """Delete rows of passes after *number*; the newest that remains."""
        self.stored = self._recorder.rollback(number)
        self._recorder.renew_names(self._names)
        self._count_let_go()
        return self.stored

    def upkeep(self, now_ns: int, wall_ns: int) -> None:
        """Now and then: delete what is too old, show how large the recorder is."""
        if now_ns - self._kept_up >= UPKEEP_NS:
            self._kept_up = now_ns
            try:
                self._recorder.trim(wall_ns)
            except StateError as error:
                _log.warning("%s", error)
            self._aggregator.set(telemetry.RECORDER_ROWS, (), self._recorder.rows)
            self._aggregator.set(telemetry.RECORDER_BYTES, (), self._recorder.size)
