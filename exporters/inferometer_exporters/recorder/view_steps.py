"""The stretch of time that a view shows, in steps, and where the requests of a step are read from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from inferometer_exporters.recorder.levels import ENDED, LEVELS_NS, Levels
from inferometer_exporters.recorder.reading import SECOND, Cursor, rows

NAMED: Final = """
    select id, service, coalesce(nullif(model, ''), route) as model, version, tenant, class from labels
"""
"""Label sets by number, with the model as series name it."""


LATE_NS: Final = 60 * SECOND
"""So much may the clock of a worker's host differ from ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The stretch of time that a view shows."""

    since_ns: int
    """Wall time of its begin: a multiple of the step."""
    until_ns: int
    step_ns: int
    chosen: Mapping[str, str] = field(default_factory=dict)
    """Of ``service``, ``model``, ``version``, ``tenant``: the one that is shown; empty or missing shows all."""


class Steps:
    """A span, for one answer.

    Args:
        cursor: of the recorder; temporary tables are its own.
        levels: sums of minutes.
        span: what is shown.
    """

    def __init__(self, cursor: Cursor, levels: Levels, span: Span) -> None:
        self.cursor = cursor
        self.span = span
        self._mark = levels.mark(cursor)
        self._before = self.before(span.since_ns)
        self._level = next(
            (
                width
                for width in LEVELS_NS
                if span.step_ns % width == 0 and levels.oldest(cursor, width) <= span.since_ns and self._mark
            ),
            None,
        )

    def before(self, wall_ns: int) -> int:
        """The newest pass that brought only requests that ended before a moment: the store finds passes at once."""
        earlier = "select coalesce(max(pass), 0) from ledger where wall_ns < $since"
        return int(rows(self.cursor, earlier, since=wall_ns - LATE_NS)[0][0])

    def do(self, sql: str, **values: object) -> None:
        """Run a statement to its end."""
        self.cursor.execute(sql, values or None).fetchall()

    @property
    def raw(self) -> str:
        """Which requests are read one by one: all, or those that no level has yet."""
        return f"{self.within} and pass > {max(self._before, 0 if self._level is None else self._mark)}"

    @property
    def within(self) -> str:
        """SQL of a condition: the request ended in the span."""
        return f"{ENDED} >= {self.span.since_ns} and {ENDED} < {self.span.until_ns} and pass > {self._before}"

    def merged(self, table: str, raw: str) -> str:
        """SQL of the rows of a level's table by steps of the view, and of what is behind the mark."""
        if self._level is None:
            return raw
        factor, span = self.span.step_ns // self._level, self.span
        begin, end = span.since_ns // self._level, -(-span.until_ns // self._level)
        kept = f"""
            select * replace (bucket // {factor} as bucket) from memory.main.level_{table}_{self._level // SECOND}
            where bucket >= {begin} and bucket < {end}
        """  # noqa: S608 - numbers
        return f"{kept} union all {raw}"

    @property
    def time(self) -> str:
        """SQL of a column: begin of the step ``bucket``, in seconds since the epoch."""
        return f"(bucket * {self.span.step_ns / SECOND}::DOUBLE) as time"

    @property
    def lasted(self) -> str:
        """SQL of a column: seconds of the step ``bucket`` that have passed."""
        step, until = self.span.step_ns / SECOND, self.span.until_ns / SECOND
        return f"least({step}, greatest({until} - bucket * {step}, 1))::DOUBLE as lasted"

    def chosen(self) -> tuple[str, dict[str, str]]:
        """SQL of a condition on label sets, and its parameters."""
        given = {name: text for name, text in self.span.chosen.items() if text}
        return " and ".join(f"{name} = ${name}" for name in given) or "true", given
