"""Which request of ours each span of somebody else belongs to, by one question to the flight recorder."""

from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np

from inferometer_exporters.columns.tables import Columns, Ids, Mask, length

SLACK_NS: Final = 600 * 10**9
"""How much earlier than a span its request may have begun."""
_DEEPEST: Final = 16
"""Levels of spans of others below one of a request."""

_FIND: Final = """
    with recent as (
        select trace_lo, trace_hi, span_id from requests where wall_ns >= $since
    ), mine as (
        select told.* from told semi join recent on told.trace_lo = recent.trace_lo and told.trace_hi = recent.trace_hi
    ), found as (
        select mine.row, recent.span_id as request from mine
        join recent on recent.span_id = mine.span_id and recent.trace_lo = mine.trace_lo
        union all
        select mine.row, recent.span_id from mine
        join recent on recent.span_id = mine.parent_id and recent.trace_lo = mine.trace_lo
        union all
        select mine.row, calls.span_id from mine join calls on calls.call_id = mine.parent_id
        where calls.start_ns >= $monotonic
        union all
        select mine.row, spans.request from mine
        join spans on spans.span_id = mine.parent_id and spans.trace_lo = mine.trace_lo
        where spans.request <> 0 and spans.wall_ns >= $since
    )
    select mine.row, coalesce(min(found.request), 0) as request from mine
    left join found on found.row = mine.row group by mine.row
"""


@dataclass(frozen=True, slots=True)
class Owned:
    """What the recorder knows of spans, each by its row."""

    known: Mask
    """Whether a request of the same trace is recorded."""
    request: Ids
    """Span id of the request; 0 where none was found."""


def owners(cursor: duckdb.DuckDBPyConnection, spans: Columns, offset_ns: int) -> Owned:
    """Find the requests of *spans*.

    A span belongs to the request that has its id (the application's own SERVER span), whose id or one of whose calls
    is its parent, or to which its parent belongs.

    Args:
        cursor: of the recorder.
        spans: columns of `incoming.Incoming`.
        offset_ns: wall time minus CLOCK_MONOTONIC, here and now.
    """
    count = length(spans)
    known, request = np.zeros(count, bool), np.zeros(count, np.uint64)
    since = int(spans["wall_ns"].min()) - SLACK_NS
    told = {name: spans[name] for name in ("trace_hi", "trace_lo", "span_id", "parent_id")}
    cursor.register("told", {"row": np.arange(count), **told})
    found = cursor.execute(_FIND, {"since": since, "monotonic": since - offset_ns}).fetchnumpy()
    cursor.unregister("told")
    rows = found["row"]
    known[rows] = True
    request[rows] = found["request"]
    owned = Owned(known, request)
    inherit(spans, owned)
    return owned


def adopt(spans: Columns, owned: Owned, made: list[int]) -> None:
    """Note that the rows *made* became requests themselves: their traces are known now, and they own what is below."""
    owned.request[made] = spans["span_id"][made]
    owned.known[np.isin(spans["trace_lo"], spans["trace_lo"][made])] = True
    inherit(spans, owned)


def called_by_known(spans: Columns, owned: Owned, made: list[int]) -> list[bool]:
    """Whether each of the rows *made* has a parent among *spans* that belongs to a request."""
    order = np.argsort(spans["span_id"], kind="stable")
    parents = spans["parent_id"][made]
    at = np.minimum(np.searchsorted(spans["span_id"][order], parents), len(order) - 1)
    parent = order[at]
    same = (spans["span_id"][parent] == parents) & (spans["trace_lo"][parent] == spans["trace_lo"][made])
    called: list[bool] = (same & (owned.request[parent] != 0)).tolist()
    return called


def inherit(spans: Columns, owned: Owned) -> None:
    """Give spans without a request that of their parent, where that is among *spans*."""
    rows, request = np.flatnonzero(owned.known), owned.request
    if not len(rows):
        return
    ids, parents = spans["span_id"][rows], spans["parent_id"][rows]
    order = np.argsort(ids, kind="stable")
    at = np.minimum(np.searchsorted(ids[order], parents), len(rows) - 1)
    parent = order[at]
    same = (ids[parent] == parents) & (spans["trace_lo"][rows][parent] == spans["trace_lo"][rows])
    for _ in range(_DEEPEST):
        lacking = same & (request[rows] == 0) & (request[rows[parent]] != 0)
        if not lacking.any():
            return
        request[rows[lacking]] = request[rows[parent[lacking]]]
