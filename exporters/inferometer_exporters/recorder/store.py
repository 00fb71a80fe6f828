"""The recorder's file: written by one thread in passes, read by others through cursors of their own."""

import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np

from inferometer.errors import StateError
from inferometer.fleet.objective import Objective
from inferometer_exporters.columns.tables import Columns, length
from inferometer_exporters.recorder import ledger_days, slo_minutes
from inferometer_exporters.recorder.dimensions import Dimension
from inferometer_exporters.recorder.insertion import insertion
from inferometer_exporters.recorder.opening import NAME, cursor_of, opened
from inferometer_exporters.recorder.schema import DIMENSIONS, HISTORY, OF_REQUESTS
from inferometer_exporters.recorder.span_rows import TABLE as SPANS
from inferometer_exporters.recorder.span_rows import Room, SpanRows

_log = logging.getLogger(__name__)

MINUTES_KEPT_NS: Final = 35 * 24 * 3_600 * 10**9
"""Of `device_minutes` and `process_peaks`: a month and its neighbours; 50,000 rows for each device."""
_TRIMMED: Final = 10
"""Per cent of the passes that go when the file is full."""
_MARKED: Final = ("requests", "ledger")
"""Tables that say which passes a tenth of the file is of; the first that has rows."""
_TRIMS: Final = 10
"""Times that this is done at once: a storm may have brought more than a tenth since the last time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much the recorder keeps."""

    max_bytes: int = 2 << 30
    max_age_ns: int = 24 * 3_600 * 10**9
    max_spans: int = 2_000_000
    """Spans of others; about 100 MB."""


class Recorder:
    """Every request of the last hours.

    Args:
        path: of the file; made where there is none, set aside and named in the log where it is damaged.
        bounds: how much is kept.
        objectives: whose counts outlive the requests.

    Raises:
        RefusedError: another process has the file open.
        StateError: the file cannot be made, or a later version of inferometer wrote it.
    """

    def __init__(self, path: Path, bounds: Bounds | None = None, objectives: Sequence[Objective] = ()) -> None:
        self.path = path
        self._bounds = bounds or Bounds()
        self._objectives = tuple(objectives)
        self._spans = SpanRows(self._bounds.max_spans)
        self._root = opened(path)
        self._writer = cursor_of(self._root)
        self.identity = int(self._run("select identity from schema_version")[0][0])
        """Random, of this file: numbers of names mean nothing in another."""
        self._restore()

    def _run(self, sql: str) -> list[tuple[Any, ...]]:
        # Always to the end: a result that stays open blocks its connection.
        rows: list[tuple[Any, ...]] = self._writer.execute(sql).fetchall()
        return rows

    def _restore(self) -> None:
        self.labels = Dimension("labels")
        """Values of ``layout.SHAPE_FIELDS`` with the tenant as series name it, then the tenant as named."""
        self.names = Dimension("names")
        """One string: of devices, targets, methods."""
        self.processes = Dimension("processes")
        """Worker (8 bytes of its id), pid, host, service."""
        self._dimensions = (self.labels, self.names, self.processes)
        self._spans.count(self._run)
        for dimension in self._dimensions:
            columns = ", ".join(list(DIMENSIONS[dimension.table])[2:])
            rows = self._run(f"select id, {columns} from {dimension.table} order by id")  # noqa: S608 - names of the schema
            dimension.restore([(int(row[0]), row[1:]) for row in rows])

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection for one reader in one thread; the caller closes it."""
        return cursor_of(self._root)

    def write(self, number: int, batches: Mapping[str, Columns]) -> None:
        """Store the rows of pass *number*, all or none, durable when this returns.

        Args:
            number: of the pass; every row carries it.
            batches: table -> columns, without ``pass``.

        Raises:
            StateError: the file does not take them; nothing of them is stored.
        """
        if not batches and not any(dimension.fresh() for dimension in self._dimensions):
            return
        self._run("begin")
        room: Room | None = None
        try:
            self._names(number)
            for table, whole in batches.items():
                columns = whole
                if table == SPANS:
                    room = self._spans.room_for(number, whole, self._run)
                    columns = room.rows
                if length(columns):
                    self._writer.register("batch", columns)
                    self._run(insertion(table, number, columns))
                    self._writer.unregister("batch")
            self._run("commit")
        except duckdb.Error as error:
            with contextlib.suppress(duckdb.Error):
                # A commit that failed has ended the transaction itself.
                self._run("rollback")
            raise StateError(f"cannot store pass {number} in {self.path}: {error}") from error
        for dimension in self._dimensions:
            dimension.stored()
        if room is not None:
            self._spans.committed(room)

    def _names(self, number: int) -> None:
        for dimension in self._dimensions:
            fresh = dimension.fresh()
            if fresh:
                # As columns: row by row a label set takes a millisecond, and somebody may name a thousand a second.
                rows = [(number, identity, *key) for identity, key in fresh]
                kinds = DIMENSIONS[dimension.table]
                columns = {
                    name: np.array(column, object if kind == "VARCHAR" else np.uint64)
                    for (name, kind), column in zip(kinds.items(), zip(*rows, strict=True), strict=True)
                }
                self._writer.register("names_batch", columns)
                self._run(f"insert into {dimension.table} select {', '.join(kinds)} from names_batch")  # noqa: S608 - names of the schema
                self._writer.unregister("names_batch")

    def fresh_names(self) -> dict[str, list[list[object]]]:
        """Names that are not stored yet, by table, each with its number first."""
        fresh = {dimension.table: dimension.fresh() for dimension in self._dimensions}
        return {table: [[number, *key] for number, key in names] for table, names in fresh.items() if names}

    def renew_names(self, names: Mapping[str, list[list[object]]]) -> None:
        """Give names the numbers that `fresh_names` told, where the recorder does not have them.

        Raises:
            StateError: they are not what it told.
        """
        for dimension in self._dimensions:
            try:
                rows = [(int(str(number)), tuple(key)) for number, *key in names.get(dimension.table, ())]
            except (TypeError, ValueError) as error:
                raise StateError(f"names of {dimension.table} are not as the sidecar writes them: {error}") from error
            dimension.renew(row for row in rows if dimension[row[0]] is None)

    def rollback(self, number: int | None) -> int:
        """Delete what passes after *number* brought; the newest pass that remains, 0 without rows.

        Without a state (None) all rows stay, but for those of a very first pass: had it reached its commit point, there
        would be a state; workers send its frames again.
        """
        if number is None and self._newest() == 1:
            number = 0
        if number is not None:
            self._run("begin")
            for table in OF_REQUESTS | HISTORY | DIMENSIONS:
                self._run(f"delete from {table} where pass > {int(number)}")  # noqa: S608 - names of the schema
            self._run("commit")
            self._restore()
        return self._newest()

    def _newest(self) -> int:
        newest = (self._run(f"select coalesce(max(pass), 0) from {table}") for table in OF_REQUESTS)  # noqa: S608 - names of the schema
        return max(int(rows[0][0]) for rows in newest)

    def trim(self, wall_ns: int) -> None:
        """Delete what is too old at *wall_ns*, and the oldest tenth where the file is too large.

        Raises:
            StateError: the file does not take that.
        """
        try:
            self._trim(wall_ns)
        except duckdb.Error as error:
            raise StateError(f"cannot trim {self.path}: {error}") from error

    def _trim(self, wall_ns: int) -> None:
        oldest = wall_ns - self._bounds.max_age_ns
        # The ledger's entries carry our own clock; what a worker says of its requests' times deletes nothing.
        last = self._run(f"select coalesce(max(pass), 0) from ledger where wall_ns < {int(oldest)}")[0][0]  # noqa: S608 - a number
        if last:
            self._delete(int(last), wall_ns)
        for _ in range(_TRIMS):
            if self.size <= self._bounds.max_bytes:
                return
            # Where no request came, what fills the file is what the ledger and engines' pages say each second.
            shares = (self._run(f"select quantile_disc(pass, {_TRIMMED / 100}) from {of}") for of in _MARKED)  # noqa: S608 - a number
            share = next((found for ((found,),) in shares if found is not None), None)
            if share is None:
                return
            self._delete(int(share), wall_ns)

    def _delete(self, last: int, wall_ns: int) -> None:
        """Delete the passes up to *last*, and give the space that they took free."""
        ledger_days.keep(self._writer, last, wall_ns)
        self._run(f"delete from device_minutes where wall_ns < {int(wall_ns) - MINUTES_KEPT_NS}")  # noqa: S608 - a number
        self._run(f"delete from process_peaks where wall_ns < {int(wall_ns) - MINUTES_KEPT_NS}")  # noqa: S608 - a number
        self._run("begin")
        try:
            slo_minutes.keep(self._writer, self._objectives, last, wall_ns)
            for table in OF_REQUESTS:
                self._run(f"delete from {table} where pass <= {last}")  # noqa: S608 - names of the schema
            self._run("commit")
        except duckdb.Error:
            with contextlib.suppress(duckdb.Error):
                self._run("rollback")
            raise
        self._spans.count(self._run)
        self._run("checkpoint")

    @property
    def spans_let_go(self) -> int:
        """Spans of others that went for newer ones, since the file was made."""
        return self._spans.let_go

    @property
    def rows(self) -> int:
        """Requests that are stored."""
        return int(self._run("select count(*) from requests")[0][0])

    @property
    def size(self) -> int:
        """Bytes of the file that are in use, and of its log."""
        blocks = self._run(
            f"select used_blocks * block_size from pragma_database_size() where database_name = '{NAME}'"  # noqa: S608 - a constant
        )[0][0]
        log = self.path.with_name(self.path.name + ".wal")
        return int(blocks) + (log.stat().st_size if log.exists() else 0)

    def close(self) -> None:
        """Close the file; readers' cursors end."""
        self._writer.close()
        self._root.close()
