"""The frames of a pass as one set of columns, with the names of every worker translated into the recorder's numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from inferometer.intake.pipeline import Arrival
from inferometer.wire.frame import LATEST_NS
from inferometer.wire.layout import BATCHES, CALLS, EXECUTES, EXTERNAL_IDS, GAPS, INTERVALS, OPEN, REQUESTS, Table
from inferometer_exporters.columns.soundness import SLACK_NS, sound
from inferometer_exporters.columns.tables import Column, Columns, Ints, read, take

_DENSE: Final = 1 << 16
"""Numbers of a worker up to here are looked up in an array."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Rows of all frames of a pass; ``labels``, ``device``, ``target`` and ``method`` are the recorder's numbers."""

    requests: Columns
    """With ``labels``, ``worker`` (of its id the first 8 bytes), ``process``, ``wall_offset`` (wall time - stamp)."""
    open: Columns
    """With the same, and ``frame_ns``: when the worker said so."""
    executes: Columns
    """With ``worker`` and ``frame_ns``."""
    calls: Columns
    intervals: Columns
    gaps: Columns
    batches: Columns
    """With ``wall_offset``."""
    external_ids: Columns
    """With ``frame_ns``."""
    unsound: int = 0
    """Rows that were left out: no worker of ours writes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """How names become the recorder's numbers."""

    labels: Callable[[tuple[str, ...]], int]
    """Of the values of ``layout.SHAPE_FIELDS``."""
    name: Callable[[str], int]
    process: Callable[[Arrival], int]


def worker_key(worker_id: bytes) -> int:
    """The first 8 bytes of a worker's id: what rows name it by."""
    return int.from_bytes(worker_id[:8], "little")


def gather(arrivals: Sequence[Arrival], numbers: Numbers, *, now_ns: int = LATEST_NS - SLACK_NS - 1) -> Gathered:
    """All rows of *arrivals* that can be true, in order.

    Args:
        arrivals: of one pass.
        numbers: give the recorder's numbers.
        now_ns: CLOCK_MONOTONIC; rows from later than that are none.
    """
    labels = _Translation(arrivals, lambda arrival, n: numbers.labels(arrival.names.shapes.get(n, ())))
    names = _Translation(arrivals, lambda arrival, n: numbers.name(arrival.names.strings.get(n, "")))
    workers = np.array([worker_key(arrival.worker.worker_id) for arrival in arrivals], np.uint64)
    offsets = np.array([arrival.frame.wall_ns - arrival.frame.monotonic_ns for arrival in arrivals], np.int64)
    times = np.array([arrival.frame.monotonic_ns for arrival in arrivals], np.int64)
    processes = np.array([numbers.process(arrival) for arrival in arrivals], np.int64)

    latest = np.minimum(times, now_ns) + SLACK_NS
    unsound = 0

    def rows(table: Table) -> tuple[Columns, Ints]:
        nonlocal unsound
        parts = [arrival.frame.tables.get(table.section, b"") for arrival in arrivals]
        counts = [len(part) // table.size for part in parts]
        read_rows, of = read(table, parts), np.repeat(np.arange(len(parts)), counts)
        good = sound(table, read_rows, latest[of])
        if good.all():
            return read_rows, of
        unsound += int(np.count_nonzero(~good))
        return take(read_rows, good), of[good]

    requests, of = rows(REQUESTS)
    requests |= {
        "worker": workers[of],
        "process": processes[of],
        "wall_offset": offsets[of],
        "labels": labels(requests["shape"], of),
    }
    opened, of = rows(OPEN)
    opened |= {
        "worker": workers[of],
        "process": processes[of],
        "wall_offset": offsets[of],
        "labels": labels(opened["shape"], of),
        "frame_ns": times[of],
    }
    executes, of = rows(EXECUTES)
    executes |= {"worker": workers[of], "device": names(executes["device"], of), "frame_ns": times[of]}
    calls, of = rows(CALLS)
    calls |= {"target": names(calls["target"], of), "method": names(calls["method"], of)}
    batches, of = rows(BATCHES)
    batches |= {"labels": labels(batches["shape"], of), "wall_offset": offsets[of]}
    named, of = rows(EXTERNAL_IDS)
    named |= {"frame_ns": times[of]}
    intervals, gaps = rows(INTERVALS)[0], rows(GAPS)[0]
    return Gathered(requests, opened, executes, calls, intervals, gaps, batches, named, unsound)


class _Translation:
    """From the numbers of each worker to ours."""

    def __init__(self, arrivals: Sequence[Arrival], number: Callable[[Arrival, int], int]) -> None:
        self._arrivals = arrivals
        self._number = number

    def __call__(self, theirs: Column, of: Ints) -> Ints:
        """Our number of each of *theirs*; *of* is the arrival of each row, in ascending order."""
        ours = np.zeros(len(theirs), np.int64)
        edges = np.searchsorted(of, np.arange(len(self._arrivals) + 1))
        for index, arrival in enumerate(self._arrivals):
            part = slice(edges[index], edges[index + 1])
            if edges[index] < edges[index + 1]:
                ours[part] = self._translated(arrival, theirs[part])
        return ours

    def _translated(self, arrival: Arrival, theirs: Column) -> Ints:
        highest = int(theirs.max())
        if highest < _DENSE:
            seen = np.flatnonzero(np.bincount(theirs, minlength=1))
            table = np.zeros(highest + 1, np.int64)
            table[seen] = [self._number(arrival, number) for number in seen.tolist()]
            return table[theirs]
        seen, where = np.unique(theirs, return_inverse=True)
        return np.array([self._number(arrival, number) for number in seen.tolist()], np.int64)[where]
