"""Rows of the flight recorder as the records that they were."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np

from inferometer.catalog.labels import METHOD
from inferometer.catalog.stages import Kind, Outcome
from inferometer.otlp.kept import DeviceState, Outlay
from inferometer.record.model import Call, Execute, Flag, Labels, Moment, RequestRecord
from inferometer.record.partition import Partition
from inferometer_exporters.columns.segments import segments
from inferometer_exporters.device_state import reasons
from inferometer_exporters.recorder.schema import STAGE_COLUMNS

_SLACK_NS: Final = 10**9
"""Workers anchor their clocks on their own; anchors of one host are never so far apart."""
# Which rows, first: a join would read every column of the whole time for a handful of them.
_HOPS: Final = f"""
    select 0, r.trace_hi, r.trace_lo, r.span_id, r.parent_id, r.start_ns, r.wall_ns, r.duration_ns,
           r.segments, r.first_chunk_ns, r.first_token_ns, r.proxy_wait_ns, r.labels, r.process, r.outcome, r.status,
           r.flags, r.bytes_in, r.bytes_out, r.chunks, r.tokens_in, r.tokens_out, r.last_token_ns, r.device_ns, r.cost,
           r.energy, r.method, r.device, r.utilization, r.sm_clock, r.temperature, r.throttle, r.throttled_ns,
           [{", ".join(f"r.{column}" for column in STAGE_COLUMNS)}]
    from requests r where r.rowid in (
        select r.rowid from requests r join wanted on r.trace_lo = wanted.trace_lo and r.trace_hi = wanted.trace_hi
        where r.wall_ns >= $since and r.pass > wanted.after
    ) order by r.start_ns
"""  # noqa: S608 - constants
_RUNS: Final = """
    select r.span_id, execute_id, r.start_ns, end_ns, device, queued_ns, batch_id, batch_size, rows, kind
    from executes r join hop_spans on hop_spans.span_id = r.span_id where r.start_ns >= $since order by r.start_ns
"""
_CALLS: Final = """
    select r.span_id, call_id, r.start_ns, end_ns, target, sent_ns, headers_ns, server_ns, method, status, kind,
        attempt, foreign_span, outcome
    from calls r join hop_spans on hop_spans.span_id = r.span_id where r.start_ns >= $since order by r.start_ns
"""
_IDS: Final = """
    select r.span_id, any_value(text) from external_ids r join hop_spans on hop_spans.span_id = r.span_id
    where told_ns >= $since group by r.span_id
"""
_KINDS: Final = {int(kind): kind for kind in Kind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A trace whose hops are wanted: those that began at or after *since_ns* and came after pass *after*."""

    trace_id: int
    since_ns: int
    """Wall time."""
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """A record as it was, with what is known of it besides."""

    wanted: int
    """Index of its trace."""
    record: RequestRecord
    partition: Partition
    wall_offset_ns: int
    process: int
    """The recorder's number of it."""
    outlay: Outlay
    """What it cost, and how its device was."""


def hops(
    cursor: duckdb.DuckDBPyConnection,
    wanted: Sequence[Wanted],
    *,
    labels: Callable[[int], Labels],
    text: Callable[[int], str],
    host: str = "",
) -> Iterator[Hop]:
    """The hops of traces, by start.

    Args:
        cursor: of the recorder; used until the last hop is made.
        wanted: the traces.
        labels: label set by its number.
        text: string by its number.
        host: name of this host as a device, on which runs are that name none.
    """
    ids = [trace.trace_id for trace in wanted]
    cursor.register(
        "wanted",
        {
            "trace_hi": np.array([trace_id >> 64 for trace_id in ids], np.uint64),
            "trace_lo": np.array([trace_id & (1 << 64) - 1 for trace_id in ids], np.uint64),
            "after": np.array([trace.after for trace in wanted], np.int64),
        },
    )
    index = {trace_id: number for number, trace_id in enumerate(ids)}
    since = min(trace.since_ns for trace in wanted) - _SLACK_NS
    found = cursor.execute(_HOPS, {"since": since}).fetchall()
    cursor.unregister("wanted")
    if not found:
        return
    cursor.register("hop_spans", {"span_id": np.array([row[_SPAN] for row in found], np.uint64)})
    first = {"since": found[0][_START]}
    runs = _grouped(cursor.execute(_RUNS, first).fetchall())
    calls = _grouped(cursor.execute(_CALLS, first).fetchall())
    called: dict[int, str] = dict(cursor.execute(_IDS, first).fetchall())
    cursor.unregister("hop_spans")
    for row in found:
        span = row[_SPAN]
        executes = tuple(_execute(run, text) for run in runs.get(span, ()))
        outgoing = tuple(_call(call, text) for call in calls.get(span, ()))
        outlay = outlay_of(row[_DEVICE_NS:-1], text, host) if executes else Outlay(device_ns=0, cost_picodollars=0)
        record = _record(row, executes, outgoing, labels, called.get(span, ""))
        yield Hop(
            wanted=index[record.trace_id],
            record=record,
            partition=Partition((0, *row[-1]), tuple(segments(row[_SEGMENTS], record.start))),
            wall_offset_ns=row[_WALL] - record.start,
            process=row[_PROCESS],
            outlay=outlay,
        )


_SPAN: Final = 3
_START: Final = 5
_WALL: Final = 6
_SEGMENTS: Final = 8
_PROCESS: Final = 13
_DEVICE_NS: Final = 23


def _grouped(rows: list[tuple[Any, ...]]) -> Mapping[int, list[tuple[Any, ...]]]:
    found: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for span, *values in rows:
        found[span].append(tuple(values))
    return found


def _record(
    row: tuple[Any, ...],
    executes: tuple[Execute, ...],
    calls: tuple[Call, ...],
    labels: Callable[[int], Labels],
    external_id: str,
) -> RequestRecord:
    _, hi, lo, span, parent, start, _, duration, _, chunk, token, proxy, named, _, *rest = row
    outcome, status, flags, bytes_in, bytes_out, chunks, tokens_in, tokens_out, last, *_ = rest
    stamps = [0] * len(Moment)
    stamps[Moment.ARRIVAL], stamps[Moment.LAST] = start, start + duration
    stamps[Moment.FIRST_CHUNK] = 0 if chunk is None else start + chunk
    stamps[Moment.FIRST_TOKEN] = 0 if token is None else start + token
    return RequestRecord(
        trace_id=hi << 64 | lo,
        span_id=span,
        parent_id=parent,
        labels=labels(named),
        stamps=stamps,
        outcome=Outcome(outcome),
        status=status,
        flags=Flag(flags),
        proxy_wait_ns=proxy or 0,
        bytes_in=bytes_in,
        bytes_out=bytes_out,
        chunks=chunks,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        last_token=0 if last is None else start + last,
        external_id=external_id,
        executes=executes,
        calls=calls,
    )


def outlay_of(columns: tuple[Any, ...], text: Callable[[int], str], host: str) -> Outlay:
    """What a row of `requests` says of cost and device: its columns from ``device_ns`` to ``throttled_ns``."""
    device_ns, cost, energy, method, device, utilization, clock, temperature, throttle, throttled = columns
    name = text(device)
    return Outlay(
        device_ns=device_ns,
        cost_picodollars=cost,
        energy_microjoules=energy,
        method="" if method is None else METHOD.values[method],
        state=DeviceState(
            device=name,
            is_host=name in {"", host},
            utilization=utilization,
            sm_clock_hertz=clock,
            temperature_celsius=temperature,
            throttle_reasons=reasons(throttle or 0),
            throttled_ns=throttled,
        ),
    )


def _execute(run: tuple[Any, ...], text: Callable[[int], str]) -> Execute:
    execute_id, start, end, device, queued, batch_id, size, amount, kind = run
    return Execute(
        execute_id=execute_id,
        start=start,
        end=end,
        device=text(device),
        queued=queued,
        batch_id=batch_id,
        batch_size=size,
        rows=amount,
        kind=_KINDS.get(kind, Kind.NONE),
    )


def _call(call: tuple[Any, ...], text: Callable[[int], str]) -> Call:
    call_id, start, end, target, sent, headers, server_ns, method, status, kind, attempt, foreign, outcome = call
    return Call(
        call_id=call_id,
        start=start,
        end=end,
        target=text(target),
        sent=sent,
        headers=headers,
        server_ns=server_ns,
        method=text(method),
        status=status,
        kind=_KINDS.get(kind, Kind.INFERENCE),
        attempt=attempt,
        foreign=bool(foreign),
        outcome=Outcome(outcome) if outcome else None,
    )
