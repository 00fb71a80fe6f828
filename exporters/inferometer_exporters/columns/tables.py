"""NumPy's view of the wire's fixed-width tables: one column per name, taken from `inferometer.wire.layout`."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inferometer.wire.layout import TABLES, Section, Table

Ints = NDArray[np.int64]
Ids = NDArray[np.uint64]
Column = NDArray[Any]
"""One column, of any type."""
Mask = NDArray[np.bool_]
Columns = dict[str, Column]
"""Rows of one table, by column name; all of one length."""

IDS = frozenset({"trace_hi", "trace_lo", "span_id", "parent_id", "execute_id", "batch_id", "call_id"})
"""The 64-bit columns that are identities; the others are times and sizes, on which one calculates with a sign."""

_CODES = {"Q": "<i8", "I": "<u4", "H": "<u2", "B": "u1", "64s": "S64"}


def _dtype(table: Table) -> np.dtype[np.void]:
    return np.dtype([(name, "<u8" if name in IDS else _CODES[code]) for name, code in table.columns])


DTYPES: dict[Section, np.dtype[np.void]] = {table.section: _dtype(table) for table in TABLES}


def read(table: Table, parts: Iterable[bytes]) -> Columns:
    """Columns of the rows in *parts*, contiguous, in order."""
    rows = np.frombuffer(b"".join(parts), DTYPES[table.section])
    return {name: np.ascontiguousarray(rows[name]) for name in table.names if not name.startswith("pad")}


def empty(table: Table) -> Columns:
    """No rows of *table*."""
    return read(table, ())


def take(columns: Columns, where: Column) -> Columns:
    """The rows that *where* (a mask or indices) selects; the columns themselves where a mask selects all."""
    if where.dtype == bool:
        if where.all():
            return dict(columns)
        # Once, and not for every column anew.
        where = np.flatnonzero(where)
    return {name: column.take(where) for name, column in columns.items()}


def length(columns: Columns) -> int:
    """Number of rows."""
    return len(next(iter(columns.values()))) if columns else 0


def concatenate(parts: Iterable[Columns]) -> Columns:
    """Rows of all *parts*, in order; the parts have the same columns."""
    given = list(parts)
    if len(given) == 1:
        return given[0]
    return {name: np.concatenate([part[name] for part in given]) for name in given[0]}
