"""``inferometer recorder export``: Parquet files from the sidecar, or from a recorder file where none runs."""

import http.client
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from inferometer.errors import InferometerError, StateError
from inferometer_compose import web
from inferometer_compose.commands.recorded import no_recorder
from inferometer_compose.commands.trace import left_behind
from inferometer_exporters.export_api import EXPORT_SECONDS, ROWS
from inferometer_exporters.recorder import parquet
from inferometer_exporters.recorder.queries import opened
from inferometer_exporters.recorder.reading import SECOND

_PART: Final = 1 << 20
Write = Callable[[str, Path], parquet.Written]
"""Writes a table to a file."""


def run(out: Path, *, since_seconds: float, api: str, recorder: Path | None, as_json: bool) -> int:
    """Write all files, or none of them; print what they hold.

    Raises:
        InferometerError: there is neither a sidecar nor a file to export, or the folder cannot be written.
    """
    if recorder is None and web.answers(f"{api}/healthz"):
        written = _all(out, lambda table, path: _fetched(api, table, path, since_seconds))
    else:
        file = recorder or left_behind(api)
        if file is None:
            raise no_recorder(api)
        since_ns = time.time_ns() - round(since_seconds * SECOND)
        with closing(opened(file)) as cursor:
            written = _all(out, lambda table, path: parquet.write(cursor, table, path, since_ns=since_ns))
    if as_json:
        files = {path.name: {"path": str(path), "rows": one.rows, "bytes": one.bytes} for path, one in written.items()}
        sys.stdout.write(json.dumps({"files": files}, indent=2) + "\n")
    else:
        for path, one in written.items():
            sys.stdout.write(f"{path}  {one.rows:,} row{'' if one.rows == 1 else 's'}, {one.bytes:,} bytes\n")
    return 0


def _all(out: Path, write: Write) -> dict[Path, parquet.Written]:
    """Write every table beside its place, and move them there when all are whole."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"cannot make the folder {out}: {error.strerror}") from error
    parts = {table: out / f".{table}.{os.getpid()}.part" for table in parquet.TABLES}
    written: dict[Path, parquet.Written] = {}
    try:
        for table, part in parts.items():
            written[out / f"{table}.parquet"] = write(table, part)
        for table, part in parts.items():
            part.replace(out / f"{table}.parquet")
    except OSError as error:
        raise StateError(f"cannot write into {out}: {error.strerror}") from error
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    return written


def _fetched(api: str, table: str, path: Path, since_seconds: float) -> parquet.Written:
    """A table as the sidecar writes it, part by part: it may be larger than the memory."""
    url = f"/api/export/{table}?since_seconds={since_seconds!r}"
    connection = http.client.HTTPConnection(urlsplit(api).netloc, timeout=EXPORT_SECONDS)
    try:
        connection.request("GET", url)
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise InferometerError(f"{api}{url} answered {response.status}: {_said(response.read(_PART))}")
        rows, length = int(response.getheader(ROWS, "0")), int(response.getheader("content-length", "0"))
        with path.open("wb") as file:
            while part := response.read(_PART):
                file.write(part)
        if path.stat().st_size != length:
            raise InferometerError(f"{api}{url} ended after {path.stat().st_size} of {length} bytes")
    except http.client.HTTPException as error:
        raise InferometerError(f"{api}{url} does not answer: {error}") from error
    except TimeoutError as error:
        raise InferometerError(f"{api}{url} does not answer within {EXPORT_SECONDS:g} s") from error
    finally:
        connection.close()
    return parquet.Written(rows=rows, bytes=length)


def _said(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")
