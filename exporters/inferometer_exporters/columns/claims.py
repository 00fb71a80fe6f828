"""The claims of `inferometer.record.claims`, for all records of a pass at once."""

from dataclasses import dataclass

import numpy as np

from inferometer.catalog.stages import Kind, Stage
from inferometer.record.claims import RANK, rank_of
from inferometer.record.model import Flag
from inferometer.wire.layout import STAMPS
from inferometer_exporters.columns.tables import Columns, Ints

_KINDS = 256
_EXECUTE = np.array([rank_of(Stage.EXECUTE, kind) for kind in range(_KINDS)], np.int64)
_KNOWN = frozenset(int(kind) for kind in Kind)
_REMOTE = np.array(
    [rank_of(Stage.REMOTE, kind if kind in _KNOWN else Kind.INFERENCE) for kind in range(_KINDS)], np.int64
)
_STAGES = frozenset(int(stage) for stage in Stage)
_MARKED = np.array(
    [[rank_of(stage, kind) if stage in _STAGES else -1 for kind in range(_KINDS)] for stage in range(_KINDS)],
    np.int64,
)
_DEVICE = RANK[Stage.QUEUE, Kind.DEVICE]
_POOL = RANK[Stage.QUEUE, Kind.POOL]
_TRANSIT = RANK[Stage.NETWORK, Kind.TRANSIT]

STAMP_RANKS = (
    RANK[Stage.QUEUE, Kind.KERNEL],
    RANK[Stage.QUEUE, Kind.EVENT_LOOP],
    RANK[Stage.NETWORK, Kind.READ],
    RANK[Stage.DESERIALIZE, Kind.NONE],
    RANK[Stage.QUEUE, Kind.THREADPOOL],
    RANK[Stage.SERIALIZE, Kind.NONE],
    RANK[Stage.HANDLER, Kind.NONE],
    RANK[Stage.NETWORK, Kind.SEND],
)
"""Ranks of the claims that come from stamps: every record has these eight, some of them empty."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """When each request began and ended, ns of CLOCK_MONOTONIC."""

    start: Ints
    end: Ints


@dataclass(frozen=True, slots=True)
class StampClaims:
    """One row per `STAMP_RANKS`, one column per record; an absent claim is empty."""

    starts: Ints
    ends: Ints
    marks: Ints
    """Every moment at which one of these begins or ends: fewer than twice the claims, because they touch."""


@dataclass(frozen=True, slots=True)
class ExtraClaims:
    """Claims of executes, calls and marked intervals, flat: the record's row, the interval, its rank."""

    row: Ints
    start: Ints
    end: Ints
    rank: Ints


def stamps(requests: Columns) -> Ints:
    """The stamps as a matrix: one row per `Moment`, one column per record."""
    return np.stack([requests[name].astype(np.int64, copy=False) for name in STAMPS])


def bounds(at: Ints) -> Bounds:
    """`RequestRecord.start` and `.end` of each column of the stamps *at*."""
    arrival, start, entry = at[0], at[1], at[2]
    begin = np.where(arrival != 0, arrival, np.where(start != 0, start, entry))
    last, done = at[12], at[13]
    return Bounds(begin, np.maximum(np.where(last != 0, last, done), begin))


def of_stamps(at: Ints, flags: Ints, end: Ints) -> StampClaims:
    """Claims that follow from a request's stamps."""
    arrival, start, entry, body_start, body_end, validate, endpoint, thread, encode, respond_at = at[:10]
    respond = np.where(respond_at != 0, respond_at, end)
    streamed = (flags & int(Flag.STREAM)) != 0
    decode = np.where((body_end > 0) & (body_end <= validate), body_end, validate)
    handler = np.where(thread != 0, thread, np.where(endpoint != 0, endpoint, entry))
    handled = np.where(streamed, end, np.where(encode != 0, encode, respond))
    sends = (respond_at != 0) & ~streamed
    nothing = np.zeros_like(end)
    starts = np.stack([arrival, start, body_start, decode, endpoint, encode, handler, np.where(sends, respond, 0)])
    ends = np.stack(
        [
            np.where(arrival != 0, np.where(start != 0, start, entry), nothing),
            np.where(start != 0, entry, nothing),
            np.where(body_start != 0, np.where(body_end != 0, body_end, respond), nothing),
            np.where(validate != 0, np.where(endpoint != 0, np.maximum(endpoint, validate), respond), nothing),
            thread,
            np.where(encode != 0, respond, nothing),
            handled,
            np.where(sends, end, nothing),
        ]
    )
    marks = np.concatenate([at[:9], respond[None], end[None]])
    return StampClaims(starts, ends, marks)


def of_executes(executes: Columns, row: Ints) -> list[ExtraClaims]:
    """Claims of runs of a model; *row* is the record of each."""
    queued, start, end = (_ints(executes, name) for name in ("queued", "start", "end"))
    waited = np.flatnonzero(queued)
    return [
        ExtraClaims(row[waited], queued[waited], start[waited], np.full(len(waited), _DEVICE)),
        ExtraClaims(row, start, end, _EXECUTE[executes["kind"]]),
    ]


def of_calls(calls: Columns, row: Ints) -> list[ExtraClaims]:
    """Claims of outgoing attempts; *row* is the record of each."""
    start, headers, end, server = (_ints(calls, name) for name in ("start", "headers", "end", "server_ns"))
    sent = _ints(calls, "sent")
    sent = np.where(sent != 0, sent, start)
    remote = _REMOTE[calls["kind"]]
    known = (server != 0) & (headers != 0)
    transit = np.maximum(headers - sent - server, 0)
    there = sent + transit // 2
    back = headers - (transit - transit // 2)
    pool, transits = np.full(len(row), _POOL), np.full(len(row), _TRANSIT)
    one = ~known
    return [
        ExtraClaims(row, start, sent, pool),
        ExtraClaims(row[one], sent[one], end[one], remote[one]),
        ExtraClaims(row[known], sent[known], there[known], transits[known]),
        ExtraClaims(row[known], there[known], back[known], remote[known]),
        ExtraClaims(row[known], back[known], headers[known], transits[known]),
        ExtraClaims(row[known], headers[known], end[known], remote[known]),
    ]


def of_intervals(intervals: Columns, row: Ints) -> list[ExtraClaims]:
    """Claims of marked intervals; a stage that this version does not know claims nothing."""
    rank = _MARKED[intervals["stage"], intervals["kind"]]
    known = rank >= 0
    start, end = _ints(intervals, "start"), _ints(intervals, "end")
    return [ExtraClaims(row[known], start[known], end[known], rank[known])]


def _ints(columns: Columns, name: str) -> Ints:
    return columns[name].astype(np.int64, copy=False)


def joined(parts: list[ExtraClaims], within: Bounds) -> ExtraClaims:
    """All *parts* that reach into their requests, cut at the requests' bounds, ordered by record."""
    row = np.concatenate([part.row for part in parts])
    start = np.concatenate([part.start for part in parts])
    end = np.concatenate([part.end for part in parts])
    rank = np.concatenate([part.rank for part in parts])
    known = row >= 0
    row, start, end, rank = row[known], start[known], end[known], rank[known]
    start, end = np.maximum(start, within.start[row]), np.minimum(end, within.end[row])
    keep = np.flatnonzero(start < end)
    keep = keep[np.argsort(row[keep], kind="stable")]
    return ExtraClaims(row[keep], start[keep], end[keep], rank[keep])
