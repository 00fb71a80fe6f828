"""The ledger's table: one row per member of a run and device, while it is not settled or its request is open.

A run on a group of devices has one row for each: it occupies all of them, and each device's time is swept by itself.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from inferometer.errors import StateError
from inferometer_exporters.columns.finder import Finder
from inferometer_exporters.columns.tables import Column, Columns, Ids, Ints, Mask, take
from inferometer_exporters.ledger.methods import UNMETERED, UNPRICED, Method, codes

GRACE_NS: Final = 2 * 10**9
"""A request may end between two tables of one frame; in the next it is told."""
_COLUMNS: Final = (
    ("worker", "<u8"),  # the first 8 bytes of its id
    ("execute_id", "<u8"),
    ("span_id", "<u8"),
    ("rank", "u1"),  # place of the device in the group that the run is on
    ("device", "<i8"),  # index of its account
    ("name", "<i8"),  # the recorder's number of the device's name, or of the group's
    ("batch_id", "<u8"),
    ("rows", "<i8"),  # leading dimension of the input
    ("tokens", "<i8"),  # of a prefill: what it computes, without what a cache had; 0 where unknown
    ("queued", "<i8"),
    ("start", "<i8"),
    ("end", "<i8"),  # 0 while it runs
    ("size", "<i8"),
    ("kind", "u1"),
    ("stepped", "?"),  # an engine tells its steps: it works in them and nowhere else
    ("final", "?"),
    ("told", "<i8"),  # when its worker last spoke of it
    ("release", "<i8"),  # of a finished request: the end of its last run
    ("ns", "<i8"),  # device time charged so far
    ("picodollars", "<i8"),
    ("microjoules", "<i8"),
    ("found", "u1"),  # bits of `methods`: how its time was found, and what of it is not known
    ("engine", "?"),  # an engine's word, by its spans or its page: there is no worker that could leave
    ("claim", "<i8"),  # of a share of an engine's page: ns of device time that it told of; 0 of a run
    ("way", "u1"),  # how that was found, a code of `Method`
    ("labels", "<i8"),  # whose it is, the recorder's number
)
_LATER: Final = frozenset({"rank", "tokens", "stepped", "microjoules", "found", "engine", "claim", "way", "labels"})
"""Columns that states of before 2026-11-23 lack."""
_ODD: Final = (
    np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9),
    np.uint64(0xD6E8FEB86659FD93),
)  # fmt: skip
_HALF: Final = np.uint64(32)
_SUMS: Final = ("ns", "picodollars", "microjoules")


def none() -> Columns:
    """An empty table."""
    return {name: np.zeros(0, kind) for name, kind in _COLUMNS}


def blank(given: Columns) -> Columns:
    """*given* with every column of the table: what is missing is 0."""
    count = len(next(iter(given.values())))
    return {name: given[name] if name in given else np.zeros(count, kind) for name, kind in _COLUMNS}


def made(rows: Sequence[Mapping[str, int]]) -> Columns:
    """Rows of the table from rows as mappings; what is missing is 0."""
    return {name: np.array([row.get(name, 0) for row in rows], kind) for name, kind in _COLUMNS}


def restored(table: Columns) -> Columns:
    """The table of a state, also of one that lacks later columns.

    What such a state had charged was found by the sweep, and its energy is not known.

    Raises:
        StateError: it has other columns.
    """
    known = {name for name, _ in _COLUMNS}
    missing = known - table.keys()
    if table.keys() - known or missing - _LATER:
        raise StateError(f"runs of the ledger's state have the columns {', '.join(sorted(table))}")
    whole = blank(table)
    if "found" in missing:
        whole["found"] = np.where(whole["ns"] > 0, 1 << Method.SWEEP | UNMETERED, 0).astype(np.uint8)
    return whole


def mixed(*columns: Column) -> Ids:
    """One 64-bit number per row that differs where any column differs (but for one chance in 2^64)."""
    result = np.zeros(len(columns[0]), np.uint64)
    for column, odd in zip(columns, _ODD, strict=False):
        result = (result ^ column.astype(np.uint64)) * odd
        result ^= result >> _HALF
    return result


def identity(rows: Columns) -> Ids:
    """What makes a row the same row when it is told again."""
    return mixed(rows["worker"], rows["execute_id"], rows["span_id"], rows["rank"])


def merged(table: Columns, new: Columns) -> tuple[Columns, Mask]:
    """*table* with *new*: a row that was announced before is the same row, and keeps what it was charged.

    Returns:
        The table, and which of its rows were not in it before.
    """
    both = {name: np.concatenate([table[name], new[name]]) for name, _ in _COLUMNS}
    key = identity(both)
    if not Finder(key).repeated.any():
        return both, np.arange(len(key)) >= len(table["worker"])
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    last = order[np.concatenate((first[1:], [len(order)])) - 1]
    result = {name: column[last] for name, column in both.items()}
    for name in _SUMS:
        result[name] = np.add.reduceat(both[name][order], first)
    for name in ("final", "release", "told", "stepped", "tokens"):
        result[name] = np.maximum.reduceat(both[name][order], first)
    result["found"] = np.bitwise_or.reduceat(both["found"][order], first)
    result["start"] = np.minimum.reduceat(both["start"][order], first)
    # What was said last of its end counts, unless nothing was: a row may come again from before it ended.
    result["end"] = np.where(result["end"] != 0, result["end"], np.maximum.reduceat(both["end"][order], first))
    return result, order[first] >= len(table["worker"])


def clip(rows: Columns) -> None:
    """A worker knows nothing of the time after it spoke: a row that says so must not wait for that time."""
    newest = np.where(rows["told"] > 0, rows["told"] + GRACE_NS, np.iinfo(np.int64).max)
    for name in ("start", "end", "release"):
        rows[name] = np.minimum(rows[name], newest)


def bounded(runs: Columns, most: int) -> tuple[Columns, int]:
    """Without the oldest of more than *most* unfinished rows, and how many went."""
    unfinished = np.flatnonzero(~runs["final"])
    extra = len(unfinished) - most
    if extra <= 0:
        return runs, 0
    oldest = unfinished[np.argsort(runs["told"][unfinished], kind="stable")[:extra]]
    keep = np.ones(len(runs["worker"]), bool)
    keep[oldest] = False
    return take(runs, keep), extra


def by_device(devices: Column) -> dict[int, Ints]:
    """Rows of each device, by its index."""
    if not len(devices):
        return {}
    if not devices.any():
        return {0: np.arange(len(devices))}
    order = np.argsort(devices, kind="stable")
    found, first = np.unique(devices[order], return_index=True)
    return dict(zip(found.tolist(), np.split(order, first[1:]), strict=True))


def settled_until(runs: Columns, swept: Ints) -> Ints:
    """Up to when all devices of each row's run are settled, where each row's own device is up to *swept*."""
    if not runs["rank"].any():
        return swept
    _, run = np.unique(mixed(runs["worker"], runs["execute_id"], runs["span_id"]), return_inverse=True)
    least = np.full(int(run.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(least, run, swept)
    found: Ints = least[run]
    return found


def method(rows: Columns) -> Ints:
    """How the time of each row was found, as codes of `Method`."""
    return np.where(rows["claim"] > 0, rows["way"], codes(rows["found"])).astype(np.int64)


def energy(rows: Columns) -> Ints:
    """Microjoules of each row, -1 where nobody knows the energy of a part of its time."""
    return np.where(rows["found"] & UNMETERED, -1, rows["microjoules"])


def priced(rows: Columns) -> Ints:
    """1 for each row all of whose time has a price."""
    return np.where(rows["found"] & UNPRICED, 0, 1)


def folded(rows: Columns) -> Columns:
    """Released rows of whole runs: what a run owes on all devices of its group together."""
    if not rows["rank"].any():
        return rows
    key = mixed(rows["worker"], rows["execute_id"], rows["span_id"])
    order = np.lexsort((rows["rank"], key))
    first = np.flatnonzero(np.concatenate(([True], key[order][1:] != key[order][:-1])))
    result = take(rows, order[first])
    for name in ("ns", "picodollars", "spent"):
        result[name] = np.add.reduceat(rows[name][order], first)
    result["found"] = np.bitwise_or.reduceat(rows["found"][order], first)
    result["method"] = method(result)
    result["microjoules"] = np.where(result["found"] & UNMETERED, -1, result["spent"])
    return result


def spread(rows: Columns, accounts: Mapping[int, tuple[int, ...]]) -> Columns:
    """One row for each device of the group that a run is on.

    Args:
        rows: with ``name``.
        accounts: indices of the devices' accounts, by ``name``.
    """
    counts = np.array([len(accounts[number]) for number in rows["name"].tolist()], np.int64)
    index = np.repeat(np.arange(len(counts)), counts)
    result = take(rows, index)
    rank = np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts)
    devices = [device for number in rows["name"].tolist() for device in accounts[number]]
    return result | {"rank": rank.astype(np.uint8), "device": np.array(devices, np.int64)}
