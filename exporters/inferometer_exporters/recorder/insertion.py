"""How a pass's columns enter a table: unknown is null, and what is the same in all rows is said once."""

from typing import Final

import numpy as np

from inferometer.record.partition import MAX_SEGMENTS
from inferometer_exporters.columns.tables import Column, Columns
from inferometer_exporters.recorder.schema import HISTORY, OF_REQUESTS

NULLABLE: Final = frozenset(
    {
        *("first_chunk_ns", "first_token_ns", "last_token_ns", "proxy_wait_ns", "cost", "picodollars_per_hour"),
        *("energy", "sm_clock", "throttle", "throttled_ns", "memory_used", "memory_total"),
    }
)
"""Columns in which -1 stands for unknown on the way in."""
ATTRIBUTED: Final = frozenset({"requests", "executes", "execute_parts", "engine_shares"})
"""Tables whose ``method`` is one of attribution, -1 where it is unknown."""
FRACTIONS: Final = frozenset(
    {
        *("utilization", "temperature", "utilization_peak"),
        *("sm_active", "tensor_active", "dram_active", "power"),
    }
)
"""Columns of fractions, in which NaN stands for unknown on the way in."""
SEGMENTS: Final = tuple(f"segment_{index}" for index in range(MAX_SEGMENTS))
"""Columns that carry the coded segments on the way in, with their number in ``segment_count``."""
_TABLES: Final = OF_REQUESTS | HISTORY


def insertion(table: str, number: int, columns: Columns) -> str:
    """SQL that inserts the rows of a pass from the relation ``batch``.

    A column that says the same of every row is a constant of the statement: on most hosts a fourth of them do, and the
    store takes that in for nothing.

    Args:
        table: one that grows.
        number: of the pass.
        columns: by name, without ``pass``; at least one row.
    """
    sources = ", ".join(_source(table, name, columns) for name in list(_TABLES[table])[1:])
    return f"insert into {table} select {number}, {sources} from batch"  # noqa: S608 - names of the schema


def _source(table: str, name: str, columns: Columns) -> str:
    if name == "segments":
        used = max(int(columns["segment_count"].max()), 1)
        return f"list_slice([{', '.join(SEGMENTS[:used])}], 1, segment_count)"
    nullable = name in NULLABLE or (name == "method" and table in ATTRIBUTED)
    constant = _constant(columns[name], nullable=nullable)
    if constant is not None:
        return constant
    if name in FRACTIONS:
        return f"nullif({name}, 'NaN')"
    return f"nullif({name}, -1)" if nullable else name


def _constant(column: Column, *, nullable: bool) -> str | None:
    """The one value of a column as SQL; None where there are several, or it is no number."""
    if column.dtype.kind == "f":
        return "null" if np.isnan(column[0]) and np.isnan(column).all() else None
    if column.dtype.kind not in "iu" or column[0] != column[-1] or not (column == column[0]).all():
        return None
    return "null" if nullable and column[0] == -1 else str(int(column[0]))
