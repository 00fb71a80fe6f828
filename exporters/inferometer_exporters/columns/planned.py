"""Dividing many records by one plan: where moments come in the same order, the same claims own the same stretches.

`inferometer.record.plans` remembers a division by the order of a record's moments. Here the records of a pass that
have the same moments and claims are held against the plan of one of them, all at once; those that fit are divided by a
few subtractions of columns. What does not fit is left to the sweep over boundaries.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inferometer.record.model import Flag
from inferometer.record.partition import MAX_SEGMENTS, PLANS
from inferometer.record.plans import Plan
from inferometer_exporters.columns.claims import ExtraClaims
from inferometer_exporters.columns.distinct import distinct
from inferometer_exporters.columns.segments import RANK_STAGE, codes
from inferometer_exporters.columns.tables import Ints, Mask

MAX_EXTRAS: Final = 4
"""Claims besides those of stamps up to which records are held against plans."""
_FEW: Final = 32
"""Of fewer records than this a plan of their own costs more than it saves."""
_TRIES: Final = 4
"""Plans that the records of one kind are held against."""
_STREAM: Final = int(Flag.STREAM)
_RANK_BITS: Final = 6


@dataclass(frozen=True, slots=True)
class Divided:
    """Where stages and segments of records go: `columns.partition.Partitions` says what they hold."""

    totals: Ints
    segments: Ints
    counts: Ints


@dataclass(frozen=True, slots=True)
class Records:
    """What of records decides how they are divided."""

    at: Ints
    """Stamps: one row per `Moment`, one column per record."""
    flags: Ints
    extras: ExtraClaims
    """Further claims, ordered by record."""
    first: Ints
    """Index of the first further claim of each record, and one more."""


@dataclass(frozen=True, slots=True)
class _Alike:
    """Records with the same number of claims: their moments as a matrix of (point, record)."""

    rows: Ints
    points: Ints
    ranks: Ints
    """Of the claims besides those of stamps, one row per claim."""
    flags: Ints


def divide(result: Divided, records: Records) -> Mask:
    """Divide the records that fit a plan.

    Args:
        result: receives them; zero so far.
        records: all of a pass.

    Returns:
        Which records were divided.
    """
    done = np.zeros(len(records.flags), bool)
    counts = np.diff(records.first)
    for width in range(MAX_EXTRAS + 1):
        rows = np.flatnonzero(counts == width)
        if len(rows) >= _FEW:
            _width(result, _alike(records, rows, width), done)
    return done


def _alike(records: Records, rows: Ints, width: int) -> _Alike:
    stamps = records.at if len(rows) == len(records.flags) else records.at[:, rows]
    if not width:
        return _Alike(rows, stamps, np.zeros((0, len(rows)), np.int64), records.flags[rows])
    index = records.first[rows] + np.arange(width)[:, None]
    points = np.empty((len(stamps) + 2 * width, len(rows)), np.int64)
    points[: len(stamps)] = stamps
    points[len(stamps) :: 2] = records.extras.start[index]
    points[len(stamps) + 1 :: 2] = records.extras.end[index]
    return _Alike(rows, points, records.extras.rank[index], records.flags[rows])


def _width(result: Divided, alike: _Alike, done: Mask) -> None:
    stamps = len(alike.points) - 2 * len(alike.ranks)
    key = (alike.flags & _STREAM != 0).astype(np.int64)
    for present in alike.points[:stamps] != 0:
        key = key << 1 | present
    for rank in alike.ranks:
        key = key << _RANK_BITS | rank
    if (key == key[0]).all():
        # Most passes are of one kind, and to see that takes no sort.
        _kind(result, alike, None, done)
        return
    kinds = distinct(key)
    for kind in np.flatnonzero(kinds.numbers >= _FEW).tolist():
        _kind(result, alike, np.flatnonzero(kinds.member == kind), done)


def _kind(result: Divided, alike: _Alike, mine: Ints | None, done: Mask) -> None:
    """Hold the records *mine* (None: all) against the plans of a few of them."""
    points = alike.points if mine is None else alike.points[:, mine]
    rows = alike.rows if mine is None else alike.rows[mine]
    sample = 0 if mine is None else int(mine[0])
    ranks = tuple(alike.ranks[:, sample].tolist())
    flags = int(alike.flags[sample])
    for _ in range(_TRIES):
        plan = PLANS.plan(points[:, 0].tolist(), ranks, flags)
        if plan is None or len(plan.runs) > MAX_SEGMENTS:
            return
        fits = _fits(points, plan)
        if fits.all():
            _store(result, rows, points, plan)
            done[rows] = True
            return
        _store(result, rows[fits], points[:, fits], plan)
        done[rows[fits]] = True
        fits[0] = True  # its own plan does not fit a record of which moments are equal: it is left to the sweep
        rows, points = rows[~fits], points[:, ~fits]
        if len(rows) < _FEW:
            return


def _fits(points: Ints, plan: Plan) -> Mask:
    """Whose moments come in the plan's order, with time in every stretch of it."""
    fits: Mask = np.ones(points.shape[1], bool)
    for low, high in zip(plan.order, plan.order[1:], strict=False):
        fits &= points[low] <= points[high]
    for low, high, _ in plan.runs:
        fits &= points[low] < points[high]
    return fits


def _store(result: Divided, rows: Ints, points: Ints, plan: Plan) -> None:
    where = slice(None) if len(rows) == len(result.counts) else rows
    for position, (low, high, rank) in enumerate(plan.runs):
        duration = points[high] - points[low]
        result.totals[RANK_STAGE[rank], where] += duration
        result.segments[position, where] = codes(duration, np.array(rank))
    result.counts[where] = len(plan.runs)
