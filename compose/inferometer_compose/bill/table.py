"""Rows of a bill's file, CSV (also gzipped) or Parquet: as text, one at a time, with the place of each."""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from inferometer.errors import InferometerError

_PARQUET: Final = b"PAR1"
_GZIP: Final = b"\x1f\x8b"
_LONGEST_FIELD: Final = 1 << 20
"""Characters; tags and price details of a charge are a few thousand."""
_ROWS_AT_ONCE: Final = 2_000
_NESTED: Final = ("MAP", "STRUCT")


class BillError(InferometerError):
    """A bill says something that cannot be right: file, place, column, value, and what would be right."""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of a file, and its rows: the place of each (``line 7``, ``row 7``) and its values."""

    name: str
    columns: tuple[str, ...]
    rows: Iterator[tuple[int, Sequence[str]]]
    counted: str
    """What a row's number counts: `line` or `row`."""

    def wrong(self, number: int, message: str) -> BillError:
        """The error that points at a row."""
        return BillError(f"{self.name}, {self.counted} {number}: {message}")


@contextmanager
def opened(path: Path) -> Iterator[Table]:
    """The table in a file.

    Raises:
        BillError: it cannot be read, is neither CSV nor Parquet, or is empty; rows raise it, too.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(len(_PARQUET))
    except OSError as error:
        raise BillError(f"{path}: cannot be read: {error.strerror}") from error
    if begin == _PARQUET:
        with closing(duckdb.connect(config={"threads": 1, "memory_limit": "256MB"})) as connection:
            yield _parquet(path, connection)
        return
    opener = gzip.open if begin.startswith(_GZIP) else open
    with opener(path, "rb") as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
        yield _csv(path, text)


def _csv(path: Path, text: io.TextIOWrapper) -> Table:
    csv.field_size_limit(_LONGEST_FIELD)
    records = _records(path, text)
    _, columns = next(records, (1, ()))
    if len(columns) < 2:  # noqa: PLR2004 - no bill has one column
        raise BillError(
            f"{path}, line 1: this is no header of a CSV file: names of columns, separated by commas, are right"
        )

    def rows() -> Iterator[tuple[int, Sequence[str]]]:
        for line, record in records:
            if len(record) == len(columns):
                yield line, record
            elif record:
                raise BillError(f"{path}, line {line}: {len(record)} values, but there are {len(columns)} columns")

    return Table(str(path), tuple(columns), rows(), "line")


def _records(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, Sequence[str]]]:
    """Records with the line on which each begins."""
    line = 1
    reader = csv.reader(lines, strict=True)
    try:
        for record in reader:
            yield line, record
            line = reader.line_num + 1
    except (csv.Error, UnicodeDecodeError, EOFError, OSError) as error:
        raise BillError(f"{path}, line {line}: this is no CSV: {error}") from error


def _parquet(path: Path, connection: duckdb.DuckDBPyConnection) -> Table:
    try:
        described = connection.execute("describe select * from read_parquet($1)", [str(path)]).fetchall()
        columns = tuple(name for name, *_ in described)
        texts = ", ".join(_text(name, kind) for name, kind, *_ in described)
        found = connection.execute(f"select {texts} from read_parquet($1)", [str(path)])  # noqa: S608 - quoted names
    except duckdb.Error as error:
        raise BillError(f"{path}: this Parquet file cannot be read: {error}") from error

    def rows() -> Iterator[tuple[int, Sequence[str]]]:
        number = 0
        try:
            while batch := found.fetchmany(_ROWS_AT_ONCE):
                for values in batch:
                    number += 1
                    yield number, ["" if value is None else value for value in values]
        except duckdb.Error as error:
            raise BillError(f"{path}, row {number + 1}: this Parquet file cannot be read: {error}") from error

    return Table(str(path), columns, rows(), "row")


def _text(name: str, kind: str) -> str:
    """SQL of a column as text: times in UTC, tags as JSON."""
    column = '"' + name.replace('"', '""') + '"'
    if kind.startswith("TIMESTAMP"):
        return f"make_timestamp(epoch_us({column}))::varchar"
    if kind.startswith(_NESTED) or kind.endswith("[]"):
        return f"to_json({column})::varchar"
    return f"{column}::varchar"
