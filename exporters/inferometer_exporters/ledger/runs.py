"""The ledger's table: one row per member of a run that is not settled, or whose request is still open."""

from dataclasses import dataclass
from math import lcm
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inferometer_exporters.columns.tables import Column, Columns, Ids, Ints

_COLUMNS: Final = (
    ("worker", "<u8"),  # the first 8 bytes of its id
    ("execute_id", "<u8"),
    ("span_id", "<u8"),
    ("device", "<i8"),  # index of its account
    ("name", "<i8"),  # the recorder's number of the device's name
    ("batch_id", "<u8"),
    ("rows", "<i8"),  # leading dimension of the input
    ("queued", "<i8"),
    ("start", "<i8"),
    ("end", "<i8"),  # 0 while it runs
    ("size", "<i8"),
    ("kind", "u1"),
    ("final", "?"),
    ("told", "<i8"),  # when its worker last spoke of it
    ("release", "<i8"),  # of a finished request: the end of its last run
    ("ns", "<i8"),  # device time charged so far
    ("picodollars", "<i8"),
)
_ODD: Final = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9))
_UNIT: Final = 720_720  # the least number that 1 to 16 divide
_HALF: Final = np.uint64(32)


def none() -> Columns:
    """An empty table."""
    return {name: np.zeros(0, kind) for name, kind in _COLUMNS}


def mixed(*columns: Column) -> Ids:
    """One 64-bit number per row that differs where any column differs (but for one chance in 2^64)."""
    result = np.zeros(len(columns[0]), np.uint64)
    for column, odd in zip(columns, _ODD, strict=False):
        result = (result ^ column.astype(np.uint64)) * odd
        result ^= result >> _HALF
    return result


def merged(table: Columns, new: Columns) -> tuple[Columns, NDArray[np.bool_]]:
    """*table* with *new*: a row that was announced before is the same row, and keeps what it was charged.

    Returns:
        The table, and which of its rows were not in it before.
    """
    both = {name: np.concatenate([table[name], new[name]]) for name, _ in _COLUMNS}
    key = mixed(both["worker"], both["execute_id"], both["span_id"])
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if len(order) else order
    old = len(table["worker"])
    if len(first) == len(order):
        return both, np.arange(len(order)) >= old
    last = order[np.concatenate((first[1:], [len(order)])) - 1]
    result = {name: column[last] for name, column in both.items()}
    for name in ("ns", "picodollars"):
        result[name] = np.add.reduceat(both[name][order], first)
    for name in ("final", "release", "told"):
        result[name] = np.maximum.reduceat(both[name][order], first)
    # What was said last of its end counts, unless nothing was: a row may come again from before it ended.
    result["end"] = np.where(result["end"] != 0, result["end"], np.maximum.reduceat(both["end"][order], first))
    return result, order[first] >= old


@dataclass(frozen=True, slots=True)
class Weighted:
    """Runs of a window with their weights; behind the rows of the table come members that nobody told of."""

    begin: Ints
    end: Ints
    weight: Ints


def weighted(rows: Columns, since: int, until: int) -> Weighted:
    """The part of *rows* inside a window, each with the weight 1 / size in whole units.

    A run of which fewer members are known than took part gets one more row for those that are missing.
    """
    begin = np.clip(rows["start"], since, until)
    end = np.where(rows["end"] == 0, until, np.clip(rows["end"], since, until))
    size = rows["size"]
    shared = np.flatnonzero(size > 1)
    if not len(shared):
        return Weighted(begin, end, np.ones(len(begin), np.int64))
    _, member, counts = np.unique(
        mixed(rows["worker"][shared], rows["execute_id"][shared]), return_inverse=True, return_counts=True
    )
    largest, first, last = np.zeros((3, len(counts)), np.int64)
    np.maximum.at(largest, member, size[shared])
    first += until
    np.minimum.at(first, member, begin[shared])
    last += since
    np.maximum.at(last, member, end[shared])
    sizes = size.copy()
    sizes[shared] = np.maximum(largest, counts)[member]
    unit = _unit(sizes)
    missing = np.flatnonzero(counts < largest)
    rest = (largest[missing] - counts[missing]) * np.maximum(unit // largest[missing], 1)
    return Weighted(
        np.concatenate([begin, first[missing]]),
        np.concatenate([end, last[missing]]),
        np.concatenate([np.maximum(unit // sizes, 1), rest]),
    )


def _unit(sizes: Ints) -> int:
    """A weight that the sizes divide; where they are too many, one that most of them divide."""
    unit = 1
    for size in np.unique(sizes).tolist():
        unit = lcm(unit, size)
        if unit > _UNIT:
            return _UNIT
    return unit
