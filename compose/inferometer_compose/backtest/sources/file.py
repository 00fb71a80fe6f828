"""Minutes from a recorded file: CSV or Parquet with the columns ``time``, ``events``, ``bad``, and ``slo`` if need be.

``time`` is the beginning of a minute: 2026-11-20T10:00Z, or seconds since the epoch. Rows may come in any order; rows
of the same minute are added, minutes without a row had no requests.
"""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb
import numpy as np

from inferometer.errors import InferometerError
from inferometer_compose.backtest.counts import DAY, MINUTE, Counts, summed

COLUMNS: Final = ("time", "events", "bad")
_SLO: Final = "slo"
MOST_DAYS: Final = 400
"""Days between the first and the last row: more is a slip in a date, and would not fit into memory for long."""
_LONGEST_FIELD: Final = 256


class FileError(InferometerError):
    """A recorded file that says something that cannot be right; names the row."""


class NotInFileError(FileError):
    """A recorded file has no row of an objective."""


def minutes(path: Path, slo: str) -> Counts:
    """What counted for an objective.

    Args:
        path: ends in ``.csv`` or ``.parquet``.
        slo: whose rows, where the file has a column for that.

    Raises:
        FileError: the file cannot be read, or a row cannot be right.
        NotInFileError: it has no row of the objective.
    """
    readers = {".csv": _csv, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise FileError(f"{path}: a file whose name ends in {' or '.join(readers)} is right")
    begins, events, bad = [], [], []
    seen: set[str] = set()
    for place, row in reader(path):
        seen.add(row.get(_SLO, slo))
        if row.get(_SLO, slo) != slo:
            continue
        begins.append(_time(row["time"], place))
        events.append(_number(row["events"], "events", place))
        bad.append(_number(row["bad"], "bad", place))
        if bad[-1] > events[-1]:
            raise FileError(f"{place}: {bad[-1]:g} of {events[-1]:g} events are bad: `events` counts all of them")
    if not begins:
        known = f"; it has {', '.join(sorted(seen))}" if seen else ": it has no rows"
        raise NotInFileError(f"{path} has nothing of {slo}{known}")
    begin, end = min(begins), max(begins) + MINUTE
    if end - begin > MOST_DAYS * DAY:
        raise FileError(f"{path} reaches over {(end - begin) / DAY:,.0f} days, up to {MOST_DAYS} are right")
    rows = (np.array(column, np.float64) for column in (begins, events, bad))
    at, events_, bad_ = rows
    return summed(at // MINUTE, events_, bad_, begin=begin, end=end)


def _csv(path: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            head = [name.strip() for name in next(rows, [])]
            _check_columns(head, f"{path}:1")
            for row in rows:
                place = f"{path}:{rows.line_num}"
                if not row:
                    continue
                if len(row) != len(head):
                    raise FileError(f"{place}: {len(row)} values, the first line names {len(head)} columns")
                yield place, {name: value.strip()[:_LONGEST_FIELD] for name, value in zip(head, row, strict=True)}
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{path} cannot be read: {error}") from error


def _parquet(path: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    try:
        with duckdb.connect() as cursor:
            relation = cursor.read_parquet(str(path))
            head = list(relation.columns)
            _check_columns(head, str(path))
            chosen = [name for name in (*COLUMNS, _SLO) if name in head]
            # Moments become text with their offset in UTC, numbers as they are written.
            cursor.execute("set timezone = 'UTC'").fetchall()
            found: Sequence[tuple[str | None, ...]] = relation.project(
                ", ".join(f'"{name}"::varchar' for name in chosen)
            ).fetchall()
    except (duckdb.Error, OSError) as error:
        raise FileError(f"{path} cannot be read: {error}") from error
    for number, row in enumerate(found, start=1):
        yield f"{path}, row {number}", {name: value or "" for name, value in zip(chosen, row, strict=True)}


def _check_columns(head: Sequence[str], place: str) -> None:
    missing = [name for name in COLUMNS if name not in head]
    if missing:
        raise FileError(
            f"{place}: no column {', '.join(missing)}; there are {', '.join(head) or 'none'}: "
            f"{', '.join(COLUMNS)} and, for several SLOs, {_SLO} are right"
        )


def _time(text: str, place: str) -> int:
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise FileError(
                f"{place}: time {text!r} is no moment: write 2026-11-20T10:00Z, or seconds since the epoch"
            ) from error
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not 0 <= seconds < 1e11:  # noqa: PLR2004 - the year 5138: what is larger is in milliseconds
        raise FileError(
            f"{place}: time {text} is beyond the year 5000: write seconds since the epoch, not milliseconds"
        )
    return int(seconds) // MINUTE * MINUTE


def _number(text: str, name: str, place: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < 1e15:  # noqa: PLR2004 - beyond it floats are no longer whole numbers
        raise FileError(f"{place}: {name} {text!r} is no count: write a number from 0")
    return value
