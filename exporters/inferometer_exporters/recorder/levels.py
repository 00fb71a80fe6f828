"""Sums of requests by minute and by ten minutes, kept in memory beside the file: what a view of a whole day is made of.

They are made from the recorder and from nothing else, a piece of it at a time, and hold what the passes up to a mark
brought; whoever asks adds the requests behind the mark. A restart makes them anew.
"""

import threading
from collections.abc import Iterator
from typing import Final

from inferometer.fleet.objective import Objective
from inferometer.fleet.thresholds import Thresholds
from inferometer.record.model import Flag
from inferometer_exporters.recorder.model_query import PER_OUTPUT_TOKEN
from inferometer_exporters.recorder.reading import SECOND, Cursor, rows
from inferometer_exporters.recorder.schema import STAGE_COLUMNS
from inferometer_exporters.recorder.verdicts import verdicts

MINUTE_NS: Final = 60 * SECOND
LEVELS_NS: Final = (10 * MINUTE_NS, MINUTE_NS)
"""Widths that are kept: of each the oldest first."""
KEPT_NS: Final = {10 * MINUTE_NS: 25 * 3_600 * SECOND, MINUTE_NS: 7 * 3_600 * SECOND}
"""How far back: the recorder's day, and what is looked at by the minute."""
PER_DOUBLING: Final = 16
"""Bins of a distribution while the value doubles, as those of a native histogram of schema 4: 2.2 % at most."""
PIECE: Final = 100_000
"""Requests that are summed at once: a tenth of a second, in which nobody waits longer."""
LEAST: Final = 20_000
"""Requests behind the mark that are worth summing; until then whoever asks sums them in 10 ms."""
COUNTED: Final = f"(flags & {int(Flag.WARMUP)}) = 0"
"""Warm-up requests are in no figure."""
ENDED: Final = "(wall_ns + duration_ns)"
"""When a request ended, wall ns: it counts at its end, as it does on ``/metrics``."""
MEASURES: Final = {
    "duration": "duration_ns",
    # Of streams without tokens, as its series.
    "first_chunk": "(case when first_token_ns is null then first_chunk_ns end)",
    "first_token": "first_token_ns",
    "per_output_token": f"({PER_OUTPUT_TOKEN})",
}
"""What is kept as a distribution."""
SUMS: Final = {
    "n": "count(*)",
    "duration_ns": "sum(duration_ns)",
    **{column: f"sum({column})" for column in STAGE_COLUMNS},
    "tokens_in": "sum(tokens_in)",
    "tokens_out": "sum(tokens_out)",
    "device_ns": "sum(device_ns)",
    "cost": "sum(coalesce(cost, 0))",
    "unpriced": "count(*) filter (cost is null)",
}
"""What is summed, by label set, outcome and whether the request came from outside."""


def summed(width: int, condition: str) -> str:
    """SQL of the table ``sums`` for requests that meet a condition."""
    columns = ", ".join(f"({value})::BIGINT as {name}" for name, value in SUMS.items())
    return f"""
        select {ENDED} // {width} as bucket, labels, outcome, (flags & {int(Flag.ENTRY)}) != 0 as entry, {columns}
        from requests where {COUNTED} and {condition} group by all
    """  # noqa: S608 - constants


def binned(width: int, condition: str) -> str:
    """SQL of the table ``bins``: distributions by label set."""
    parts = (
        f"""
        select {ENDED} // {width} as bucket, labels, {place}::UTINYINT as measure,
               floor(log2({value}) * {PER_DOUBLING})::SMALLINT as bin, count(*)::UINTEGER as n
        from requests where {COUNTED} and {value} > 0 and {condition} group by all
        """  # noqa: S608 - constants
        for place, value in enumerate(MEASURES.values())
    )
    return " union all ".join(parts)


def judged(place: int, objective: Objective, width: int, condition: str) -> tuple[str, dict[str, str]]:
    """SQL of the table ``verdicts`` for one objective, and its parameters."""
    asked = verdicts(objective)
    sql = f"""
        select {ENDED} // {width} as bucket, {place}::USMALLINT as objective,
               count(*) filter ({asked.good}) as good, count(*) filter ({asked.bad}) as bad
        from (
            select requests.*, labels.service, coalesce(nullif(labels.model, ''), labels.route) as model,
                   labels.version, labels.tenant, labels.class, labels.region
            from requests join labels on labels.id = requests.labels
        ) where {COUNTED} and ({asked.about}) and {condition} group by all having good + bad > 0
    """  # noqa: S608 - constants; values are parameters
    return sql, dict(asked.values)


class Levels:
    """The sums, in the memory of the store that a cursor is of.

    Args:
        thresholds: objectives whose events are counted.
        piece: requests that are summed at once.
    """

    def __init__(self, thresholds: Thresholds, *, piece: int = PIECE) -> None:
        self._objectives = thresholds.objectives
        self._piece = piece
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self._made = False

    def mark(self, cursor: Cursor) -> int:
        """The newest pass that is summed; 0 where none is."""
        self._make(cursor)
        return int(rows(cursor, "select pass from memory.main.level_mark")[0][0])

    def oldest(self, cursor: Cursor, width: int) -> int:
        """Wall time (ns) from which a level has everything up to the mark; of the coarsest, all that is recorded."""
        self._make(cursor)
        return int(rows(cursor, f"select begin_ns from memory.main.level_begin_{width // SECOND}")[0][0])  # noqa: S608 - a number

    def catch_up(self, cursor: Cursor, wall_ns: int, *, least: int = LEAST) -> int:
        """Sum what lies behind the mark, where that is at least *least* requests; the number of them."""
        with self._lock:
            mark = self.mark(cursor)
            behind = rows(
                cursor, "select pass, count(*) from requests where pass > $mark group by 1 order by 1", mark=mark
            )
            count: int = sum(number for _, number in behind)
            if count < least:
                return 0
            for until in self._pieces(behind):
                self._sum(cursor, mark, until, wall_ns)
                mark = until
            return count

    def _pieces(self, behind: list[tuple[int, int]]) -> Iterator[int]:
        """Last pass of each piece."""
        held = 0
        for index, (number, count) in enumerate(behind):
            held += count
            if held >= self._piece or index == len(behind) - 1:
                held = 0
                yield number

    def _sum(self, cursor: Cursor, after: int, until: int, wall_ns: int) -> None:
        cursor.execute("begin").fetchall()
        try:
            for width in LEVELS_NS:
                self._add(cursor, width, after, until, wall_ns)
            cursor.execute(f"update memory.main.level_mark set pass = {int(until)}").fetchall()  # noqa: S608 - a number
            cursor.execute("commit").fetchall()
        except BaseException:
            cursor.execute("rollback").fetchall()
            raise

    def _add(self, cursor: Cursor, width: int, after: int, until: int, wall_ns: int) -> None:
        seconds = width // SECOND
        begin = (wall_ns - KEPT_NS[width]) // width
        condition = f"pass > {int(after)} and pass <= {int(until)} and {ENDED} >= {begin * width}"
        for table, select in (("sums", summed(width, condition)), ("bins", binned(width, condition))):
            cursor.execute(f"insert into memory.main.level_{table}_{seconds} {select}").fetchall()
        for place, objective in enumerate(self._objectives):
            select, values = judged(place, objective, width, condition)
            cursor.execute(f"insert into memory.main.level_verdicts_{seconds} {select}", values).fetchall()
        for table in ("sums", "bins", "verdicts"):
            cursor.execute(f"delete from memory.main.level_{table}_{seconds} where bucket < {begin}").fetchall()  # noqa: S608 - numbers
        cursor.execute(f"update memory.main.level_begin_{seconds} set begin_ns = {begin * width}").fetchall()  # noqa: S608 - numbers

    def _make(self, cursor: Cursor) -> None:
        """The tables, once."""
        with self._making:
            if not self._made:
                for statement in _tables():
                    cursor.execute(statement).fetchall()
                self._made = True


def _tables() -> Iterator[str]:
    """SQL that makes the tables."""
    yield "create table if not exists memory.main.level_mark as select 0::UBIGINT as pass"
    for width in LEVELS_NS:
        seconds = width // SECOND
        nothing = "false"
        made = {
            "sums": summed(width, nothing),
            "bins": binned(width, nothing),
            "verdicts": """
                select 0::BIGINT as bucket, 0::USMALLINT as objective, 0::BIGINT as good, 0::BIGINT as bad limit 0
            """,
        }
        for table, select in made.items():
            yield f"create table if not exists memory.main.level_{table}_{seconds} as {select}"
        yield f"create table if not exists memory.main.level_begin_{seconds} as select 0::BIGINT as begin_ns"
