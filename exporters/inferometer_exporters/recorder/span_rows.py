"""How many spans of others the recorder holds: those who send them may send any number for one request."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from inferometer_exporters.columns.tables import Columns, length

TABLE: Final = "spans"
_LET_GO: Final = "spans_let_go"
_TRIMMED: Final = 10
"""Per cent of the bound that go at once: a deletion costs about the same however much it deletes."""
Run = Callable[[str], list[tuple[Any, ...]]]
"""Runs SQL in the transaction that is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a transaction makes of the table."""

    rows: Columns
    """To insert: all of the pass, but for those for which there is no room at all."""
    then: int
    """Rows that the table has then."""
    deleted: int
    """Spans that were stored, and went for others."""
    refused: int
    """Spans of this pass for which there is no room."""


class SpanRows:
    """Keeps the table `spans` at no more rows than it may have; the oldest passes go.

    Args:
        most: rows.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows = 0
        self.let_go = 0
        """Spans that went for others, since the file was made."""

    def count(self, run: Run) -> None:
        """Count them anew: somebody else deleted some."""
        self._rows = int(run(f"select count(*) from {TABLE}")[0][0])  # noqa: S608 - a constant
        self.let_go = int(run(f"select coalesce(sum(spans), 0) from {_LET_GO}")[0][0])  # noqa: S608 - a constant

    def room_for(self, number: int, rows: Columns, run: Run) -> Room:
        """Delete what must go for these rows of pass *number*; `committed` takes what this answers."""
        fitting = {name: column[-self._most :] for name, column in rows.items()}
        new, left = length(fitting), self._rows
        if left + new > self._most:
            left -= self._delete(max(self._most * (100 - _TRIMMED) // 100 - new, 0), run)
        room = Room(rows=fitting, then=left + new, deleted=self._rows - left, refused=length(rows) - new)
        for brought, gone in ((0, room.deleted), (number, room.refused)):
            if gone:
                run(f"insert into {_LET_GO} values ({brought}, {gone})")  # noqa: S608 - numbers
        return room

    def committed(self, room: Room) -> None:
        """The transaction of `room_for` holds."""
        self._rows = room.then
        self.let_go += room.deleted + room.refused

    @staticmethod
    def _delete(keep: int, run: Run) -> int:
        """Delete the oldest passes until at most *keep* rows are left; how many went."""
        newest = run(
            "select max(pass) from (select pass, sum(count(*)) over (order by pass desc) as since from "  # noqa: S608 - a number
            f"{TABLE} group by pass) where since > {keep}"
        )[0][0]
        return 0 if newest is None else int(run(f"delete from {TABLE} where pass <= {newest}")[0][0])  # noqa: S608 - a number
