"""The flight recorder as the live page asks it; the page is made elsewhere and knows this by a Protocol of its own."""

import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb
from starlette.routing import BaseRoute

from inferometer.fleet.thresholds import Thresholds
from inferometer_exporters.browser_guard import nobody
from inferometer_exporters.pulse import Pulse
from inferometer_exporters.recorder import view_tables
from inferometer_exporters.recorder.levels import Levels
from inferometer_exporters.recorder.reading import Cursor
from inferometer_exporters.recorder.view_steps import Span

Table = tuple[list[str], list[tuple[Any, ...]]]
"""Names of the columns, and the rows."""
Asked = Callable[[Callable[[Cursor], Any]], Awaitable[Any]]
"""Asks the recorder in a thread."""
LEVELS_SECONDS: Final = 10.0
"""Time between looks at how much lies behind the sums of minutes."""


class LiveRecorder:
    """What pages ask.

    Args:
        asked: asks the recorder.
        pulse: tells when a pass is shown.
        thresholds: what fleet.yaml promises.
        levels: sums of minutes.
        wall_ns: time since the epoch.
    """

    def __init__(
        self, asked: Asked, pulse: Pulse, thresholds: Thresholds, levels: Levels, wall_ns: Callable[[], int]
    ) -> None:
        self._asked = asked
        self._pulse = pulse
        self._thresholds = thresholds
        self._levels = levels
        self._wall_ns = wall_ns

    def now_ns(self) -> int:
        """Wall time."""
        return self._wall_ns()

    async def oldest_ns(self) -> int | None:
        """Wall time at which the oldest recorded request began; None where there is none."""

        def question(cursor: Cursor) -> int | None:
            found: int | None = cursor.execute("select min(wall_ns) from requests").fetchall()[0][0]
            return found

        oldest: int | None = await self._asked(question)
        return oldest

    async def passed(self, after: int, seconds: float) -> int | None:
        """The newest pass once it is another than *after*; None where none came for so long."""
        return await self._pulse.after(after, seconds)

    async def tables(
        self,
        statements: Mapping[str, str],
        *,
        since_ns: int,
        until_ns: int,
        step_ns: int,
        chosen: Mapping[str, str],
    ) -> dict[str, Table]:
        """What statements over the tables of `view_tables` find, all of the same moment."""
        span = Span(since_ns=since_ns, until_ns=until_ns, step_ns=step_ns, chosen=chosen)
        names = view_tables.named_in(list(statements.values()))

        def question(cursor: Cursor) -> dict[str, Table]:
            view_tables.make(cursor, self._levels, self._thresholds, span, names)
            return {key: _table(cursor, sql) for key, sql in statements.items()}

        found: dict[str, Table] = await self._asked(question)
        return found

    async def count(self, since_ns: int, until_ns: int) -> int:
        """Requests that began in a stretch of time."""
        # By their begin: the store finds those without reading others.
        sql = "select count(*) from requests where wall_ns >= $since and wall_ns < $until"

        def question(cursor: Cursor) -> int:
            return int(cursor.execute(sql, {"since": since_ns, "until": until_ns}).fetchall()[0][0])

        found: int = await self._asked(question)
        return found

    async def choices(self) -> list[tuple[str, str, str]]:
        """Service, model and version of everything that was recorded."""

        def question(cursor: Cursor) -> list[tuple[str, str, str]]:
            return list(view_tables.choices(cursor))

        found: list[tuple[str, str, str]] = await self._asked(question)
        return found


@dataclass(frozen=True, slots=True)
class Pages:
    """What people open in a browser, beside the API."""

    routes: Callable[[LiveRecorder], Sequence[BaseRoute]]
    is_open: Callable[[str], bool]
    """Whether a path holds no data, so that it is answered without a token."""


NO_PAGES: Final = Pages(lambda _: (), nobody)
"""Only the API."""


class Summing:
    """Keeps the sums of minutes near the newest pass, in a thread.

    Args:
        cursor: opens a connection.
        levels: the sums.
        seconds: between two looks.
    """

    def __init__(
        self, cursor: Callable[[], duckdb.DuckDBPyConnection], levels: Levels, *, seconds: float = LEVELS_SECONDS
    ) -> None:
        self._cursor = cursor
        self._levels = levels
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inferometer-levels", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def _run(self) -> None:
        cursor = self._cursor()
        try:
            while not self._stop.is_set():
                # What is not summed is read one by one: a view is slower then, and says the same.
                with contextlib.suppress(duckdb.Error):
                    self._levels.catch_up(cursor, time.time_ns())
                self._stop.wait(self._seconds)
        finally:
            cursor.close()

    def close(self) -> None:
        """End; before the recorder is closed."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()


def _table(cursor: Cursor, sql: str) -> Table:
    found = cursor.execute(sql)
    names = [str(column[0]) for column in found.description or ()]
    return names, found.fetchall()
