"""The recorder as files over HTTP.

``/api/export/{table}?since_seconds=N``
    The table ``requests``, ``executes`` or ``ledger`` as Parquet (`recorder.parquet`), of the last N seconds; all that
    is recorded without it. Its number of rows is the header ``X-Rows``.
"""

import os
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from inferometer_exporters import parameters
from inferometer_exporters.recorder import parquet
from inferometer_exporters.recorder.reading import SECOND, Cursor

EXPORT_SECONDS: Final = 120.0
"""Longest time for one file: a day of a busy fleet takes a few seconds, a slow disk more."""
MEDIA_TYPE: Final = "application/vnd.apache.parquet"
ROWS: Final = "X-Rows"
Run = Callable[[Callable[[Cursor], object], float], Awaitable[object]]
"""Asks the recorder in a thread, with so many seconds to answer."""


def routes(run: Run, wall_ns: Callable[[], int]) -> list[Route]:
    """The route of this module, for the sidecar's API."""

    async def export(request: Request) -> Response:
        parameters.known(request, {"since_seconds"})
        table: str = request.path_params["table"]
        if table not in parquet.TABLES:
            raise ValueError(f"no table {table!r:.64}; there are {', '.join(parquet.TABLES)}")
        seconds = parameters.number(request, "since_seconds")
        since = wall_ns() - round(seconds * SECOND) if seconds else 0
        made: list[_File] = []
        await run(lambda cursor: made.append(_file(cursor, table, since)), EXPORT_SECONDS)
        (file,) = made
        return FileResponse(
            file.path,
            media_type=MEDIA_TYPE,
            filename=f"{table}.parquet",
            headers={ROWS: str(file.rows), "Cache-Control": "no-store"},
            background=BackgroundTask(file.path.unlink, missing_ok=True),
        )

    return [Route("/api/export/{table}", export)]


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    rows: int


def _file(cursor: Cursor, table: str, since_ns: int) -> _File:
    """A file of this user alone, to be removed by whoever sends it; none remains where it cannot be written."""
    handle, name = tempfile.mkstemp(prefix="inferometer-", suffix=".parquet")
    os.close(handle)
    path = Path(name)
    return _File(path, parquet.write(cursor, table, path, since_ns=since_ns).rows)
