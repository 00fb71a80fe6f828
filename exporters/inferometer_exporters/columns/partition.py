"""Exclusive stages of all records of a pass: the columnar twin of `inferometer.record.partition`.

Where records differ only in how many claims they have, the same comparison serves all of them at once: boundaries are
sorted per record, and each elementary interval goes to the lowest rank among the claims that cover it. Most records do
not even need that: they are like many others (`columns.planned`).
"""

from dataclasses import dataclass

import numpy as np

from inferometer.record.claims import RANKS, Claim
from inferometer.record.partition import MAX_SEGMENTS, STAGE_SLOTS, divide
from inferometer_exporters.columns import claims, planned
from inferometer_exporters.columns.claims import STAMP_RANKS, ExtraClaims, StampClaims
from inferometer_exporters.columns.finder import Finder
from inferometer_exporters.columns.segments import RANK_STAGE, code, codes
from inferometer_exporters.columns.tables import Column, Columns, Ints

_OTHER = len(RANKS) - 1
_WIDTHS = (0, 1, 2, 4, 8, 16, 32)
"""Extra claims that the groups of records have room for; a record with more is divided by itself."""


@dataclass(frozen=True, slots=True)
class Partitions:
    """What `Partition` holds of one record, for many."""

    start: Ints
    end: Ints
    totals: Ints
    """ns: one row per stage code (row 0 is unused), one column per record; a column sums to its duration."""
    segments: Ints
    """Coded (see `columns.segments`): `MAX_SEGMENTS` rows, one column per record, filled from the top with 0 behind."""
    counts: Ints
    """Segments of each record."""

    @property
    def duration(self) -> Ints:
        """From start to end, ns."""
        return self.end - self.start


def partition(requests: Columns, executes: Columns, calls: Columns, intervals: Columns) -> Partitions:
    """Stages and segments of *requests*; rows of the other tables that belong to no request are left out."""
    at = claims.stamps(requests)
    within = claims.bounds(at)
    flags = requests["flags"].astype(np.int64)
    find = Finder(requests["span_id"])
    extras = claims.joined(
        [
            *claims.of_executes(executes, find(executes["span_id"])),
            *claims.of_calls(calls, find(calls["span_id"])),
            *claims.of_intervals(intervals, find(intervals["span_id"])),
        ],
        within,
    )
    count = len(flags)
    first = np.concatenate(([0], np.cumsum(np.bincount(extras.row, minlength=count))))
    result = Partitions(
        within.start,
        within.end,
        np.zeros((STAGE_SLOTS, count), np.int64),
        np.zeros((MAX_SEGMENTS, count), np.int64),
        np.zeros(count, np.int64),
    )
    divided = planned.Divided(result.totals, result.segments, result.counts)
    done = planned.divide(divided, planned.Records(at, flags, extras, first))
    rest = np.flatnonzero(~done)
    if len(rest):
        end = within.end[rest]
        _divided(result, rest, claims.of_stamps(at[:, rest], flags[rest], end), extras, first)
    return result


def _divided(result: Partitions, rest: Ints, stamped: StampClaims, extras: ExtraClaims, first: Ints) -> None:
    """Divide the records *rest*, whose claims from stamps are *stamped*, by their boundaries."""
    group = np.searchsorted(_WIDTHS, first[rest + 1] - first[rest])
    for index in np.unique(group):
        mine = np.flatnonzero(group == index)
        rows = rest[mine]
        if index == len(_WIDTHS):
            for place, row in zip(mine.tolist(), rows.tolist(), strict=True):
                _one(result, _of(stamped, place), extras, row, slice(first[row], first[row + 1]))
            continue
        _group(result, rows, _matrix(rows, _of(stamped, mine), extras, first, width=_WIDTHS[index]))


def _of(stamped: StampClaims, places: Ints | int) -> StampClaims:
    return StampClaims(stamped.starts[:, places], stamped.ends[:, places], stamped.marks[:, places])


@dataclass(frozen=True, slots=True)
class _Matrix:
    """Claims of some records as matrices of (claim, record)."""

    starts: Ints
    ends: Ints
    ranks: list[int | Ints]
    """One for all records, or one per record."""
    marks: Ints
    """All moments at which a claim begins or ends."""


def _matrix(rows: Ints, stamped: StampClaims, extras: ExtraClaims, first: Ints, *, width: int) -> _Matrix:
    starts, ends, marks = stamped.starts, stamped.ends, stamped.marks
    ranks: list[int | Ints] = list(STAMP_RANKS)
    if not width:
        return _Matrix(starts, ends, ranks, marks)
    nth = np.arange(width)[:, None]
    has = nth < (first[rows + 1] - first[rows])
    at = np.minimum(first[rows] + nth, len(extras.row) - 1)
    more_starts, more_ends = np.where(has, extras.start[at], 0), np.where(has, extras.end[at], 0)
    return _Matrix(
        np.concatenate([starts, more_starts]),
        np.concatenate([ends, more_ends]),
        [*ranks, *extras.rank[at]],
        np.concatenate([marks, more_starts, more_ends]),
    )


def _group(result: Partitions, rows: Ints, claimed: _Matrix) -> None:
    start, end = result.start[rows], result.end[rows]
    marks = np.concatenate([claimed.marks, start[None]])
    np.clip(marks, start, end, out=marks)
    marks = np.ascontiguousarray(np.sort(marks.T, axis=1).T)
    lows = marks[:-1]
    owner = np.full(lows.shape, _OTHER, np.uint8)
    for low, high, rank in zip(claimed.starts, claimed.ends, claimed.ranks, strict=True):
        # Marks lie inside the request, so that claims need not be cut at its bounds.
        covered = (lows >= low) & (lows < high)
        value = np.uint8(rank) if isinstance(rank, int) else rank.astype(np.uint8)
        np.minimum(owner, value, out=owner, where=covered)
    _store(result, rows, (marks[1:] - lows).T, owner.T)


def _store(result: Partitions, rows: Ints, durations: Ints, owner: Column) -> None:
    """Join neighbours of one owner into segments; sum stages."""
    local, column = np.nonzero(durations)
    duration, rank = durations[local, column], owner[local, column]
    if not len(local):
        return
    change = np.empty(len(local), bool)
    change[0] = True
    np.logical_or(local[1:] != local[:-1], rank[1:] != rank[:-1], out=change[1:])
    begin = np.flatnonzero(change)
    duration = np.add.reduceat(duration, begin)
    local, rank_of = local[begin], rank[begin].astype(np.int64)
    row = rows[local]
    np.add.at(result.totals, (RANK_STAGE[rank_of], row), duration)
    counts = np.bincount(local, minlength=len(rows))
    position = np.arange(len(local)) - np.repeat(np.cumsum(counts) - counts, counts)
    fits = counts[local] <= MAX_SEGMENTS
    result.segments[position[fits], row[fits]] = codes(duration[fits], rank_of[fits])
    result.counts[rows] = counts
    ends = np.cumsum(counts)
    for index in np.flatnonzero(counts > MAX_SEGMENTS).tolist():
        part = slice(ends[index] - counts[index], ends[index])
        _merged(result, int(rows[index]), duration[part], rank_of[part])


def _merged(result: Partitions, row: int, duration: Ints, rank: Ints) -> None:
    """More segments than are kept: merge them as the record does."""
    end = np.cumsum(duration) + result.start[row]
    runs = zip((end - duration).tolist(), end.tolist(), rank.tolist(), strict=True)
    divided = divide((Claim(*run) for run in runs), int(result.start[row]), int(result.end[row]))
    _put(result, row, [code(segment) for segment in divided.segments])


def _one(result: Partitions, stamped: StampClaims, extras: ExtraClaims, row: int, mine: slice) -> None:
    own = zip(stamped.starts.tolist(), stamped.ends.tolist(), STAMP_RANKS, strict=True)
    more = zip(extras.start[mine].tolist(), extras.end[mine].tolist(), extras.rank[mine].tolist(), strict=True)
    divided = divide((Claim(*claim) for claim in (*own, *more)), int(result.start[row]), int(result.end[row]))
    result.totals[:, row] = divided.totals
    _put(result, row, [code(segment) for segment in divided.segments])


def _put(result: Partitions, row: int, coded: list[int]) -> None:
    result.segments[:, row] = 0
    result.segments[: len(coded), row] = coded
    result.counts[row] = len(coded)
