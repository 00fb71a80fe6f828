"""The recorder's file as it is opened: with which settings, by whom, of which version."""

import logging
import secrets
from pathlib import Path
from typing import Final

import duckdb

from inferometer.errors import RefusedError, StateError
from inferometer_exporters.recorder.schema import VERSION, additions, statements

_log = logging.getLogger(__name__)

NAME: Final = "flight"
"""Of the file as a database."""
_ROW_GROUP: Final = 16_384
MEMORY: Final = "64MB"
"""Of the store: with a million requests and all that a sidecar holds besides, 200 MiB (benchmarks/recorder.py)."""
_SETTINGS: Final[dict[str, str | int]] = {"threads": 1, "memory_limit": MEMORY}
"""One thread: of two the second spins, and a row costs 5.7 µs instead of 4.0."""
_SPILL: Final = "1GB"
"""What a question that needs more memory may write beside the file, while it is asked."""


def opened(path: Path) -> duckdb.DuckDBPyConnection:
    """The file, made where there is none; a damaged one is set aside and named in the log.

    Raises:
        RefusedError: another process has it open.
        StateError: it cannot be made, or a later version wrote it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"cannot make the folder of the flight recorder {path}: {error}") from error
    try:
        return _checked(path)
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise RefusedError(f"another process has {path} open: a state folder is for one sidecar") from error
        aside = path.with_name(f"{path.name}.damaged")
        _log.warning("%s cannot be read (%s); it is set aside as %s", path, error, aside)
        path.replace(aside)
        path.with_name(path.name + ".wal").unlink(missing_ok=True)
        return _checked(path)


def _checked(path: Path) -> duckdb.DuckDBPyConnection:
    spill = {"temp_directory": f"{path}.tmp", "max_temp_directory_size": _SPILL}
    root = duckdb.connect(config={**_SETTINGS, **spill})
    quoted = str(path).replace("'", "''")
    # A checkpoint writes row groups that are not full again and again. Smaller ones halve that work, and make the
    # longest pause 75 ms instead of 570 (8,192 rows a pass, one core).
    root.execute(f"attach '{quoted}' as {NAME} (row_group_size {_ROW_GROUP})").fetchall()
    connection = cursor_of(root)
    # All or nothing: a file whose tables are made halfway is of no version. And the disk is waited for once.
    connection.execute("begin").fetchall()
    for statement in statements():
        connection.execute(statement).fetchall()
    found = connection.execute("select max(version) from schema_version").fetchall()[0][0]
    if found is None:
        connection.execute("insert into schema_version values (?, ?)", [VERSION, secrets.randbits(63)]).fetchall()
    elif found < VERSION:
        for statement in additions():
            connection.execute(statement).fetchall()
        connection.execute("update schema_version set version = ?", [VERSION]).fetchall()
    connection.execute("commit").fetchall()
    connection.close()
    if found is not None and found > VERSION:
        root.close()
        raise StateError(f"{path} is a flight recorder of version {found}, this inferometer reads up to {VERSION}")
    return root


def cursor_of(root: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """One more connection to the file."""
    cursor = root.cursor()
    cursor.execute(f"use {NAME}").fetchall()
    return cursor
