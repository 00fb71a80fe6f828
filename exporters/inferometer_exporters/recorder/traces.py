"""One trace from the flight recorder: its hops, their segments, calls and runs."""

from collections import defaultdict
from typing import Any, Final

import duckdb

from inferometer.catalog.labels import METHOD
from inferometer.catalog.stages import Outcome, Stage
from inferometer.fleet.thresholds import PICODOLLARS
from inferometer.record.model import per_output_token
from inferometer_exporters.columns.segments import segments
from inferometer_exporters.device_state import reasons
from inferometer_exporters.recorder.foreign_spans import foreign_spans
from inferometer_exporters.recorder.reading import rows
from inferometer_exporters.recorder.request_query import MICROJOULES, NAMES, ROW, WIDTH, request_answer
from inferometer_exporters.recorder.schema import STAGE_COLUMNS
from inferometer_exporters.recorder.trace_answers import (
    CallAnswer,
    DeviceStateAnswer,
    ExecuteAnswer,
    HopAnswer,
    SegmentAnswer,
    TraceAnswer,
)

_SECOND: Final = 10**9
_HOPS: Final = f"""
    select {ROW}, r.parent_id, r.start_ns, labels.class, r.first_chunk_ns, r.first_token_ns,
           coalesce(r.last_token_ns, r.duration_ns), r.tokens_in, r.tokens_out, r.bytes_in, r.bytes_out,
           [r.utilization, r.sm_clock, r.temperature, r.throttle, r.throttled_ns]::DOUBLE[], r.segments,
           {", ".join(f"r.{column}" for column in STAGE_COLUMNS)}
    from requests as r {NAMES} where r.trace_hi = $hi and r.trace_lo = $lo order by r.start_ns
"""  # noqa: S608 - constants

_CALLED: Final = """
    select trace_hi, trace_lo from requests join external_ids using (span_id) where text = $text
    order by wall_ns desc limit 1
"""
_OWNED: Final = """
    select span_id, request from spans where trace_hi = $hi and trace_lo = $lo and request <> 0
"""
_LOW: Final = (1 << 64) - 1


def trace(cursor: duckdb.DuckDBPyConnection, trace_id: str) -> TraceAnswer | None:
    """Everything that is recorded of a trace; None where nothing is.

    Args:
        cursor: of the recorder.
        trace_id: up to 32 hex digits, or what the client or a proxy calls one of its requests (``X-Request-ID``).

    Raises:
        ValueError: the id is no hexadecimal number of 128 bits, and no request is called so.
    """
    number = _number(trace_id)
    hops = _hops(cursor, number)
    if not hops:
        called = rows(cursor, _CALLED, text=trace_id)
        if called:
            number = called[0][0] << 64 | called[0][1]
            hops = _hops(cursor, number)
    if not hops:
        if not number:
            raise ValueError(f"{trace_id!r} is no trace id: up to 32 hex digits are right")
        return None
    return _Reader(cursor, number >> 64, number & _LOW).answer(number, hops)


def _number(text: str) -> int:
    """The trace id that *text* is; 0 where it is none."""
    try:
        number = int(text, 16)
    except ValueError:
        return 0
    return number if 0 < number < 1 << 128 else 0


def _hops(cursor: duckdb.DuckDBPyConnection, number: int) -> list[tuple[Any, ...]]:
    return rows(cursor, _HOPS, hi=number >> 64, lo=number & _LOW)


class _Reader:
    def __init__(self, cursor: duckdb.DuckDBPyConnection, hi: int, lo: int) -> None:
        self._cursor = cursor
        self._hi = hi
        self._lo = lo

    def _of_trace(self, table: str, columns: str, joins: str) -> dict[int, list[tuple[Any, ...]]]:
        sql = f"""
            select {table}.span_id, {columns} from {table} {joins}
            where {table}.span_id in (select span_id from requests where trace_hi = $hi and trace_lo = $lo)
            order by start_ns
        """  # noqa: S608 - constants
        found: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        for span, *values in rows(self._cursor, sql, hi=self._hi, lo=self._lo):
            found[span].append(tuple(values))
        return found

    def answer(self, trace_id: int, hops: list[tuple[Any, ...]]) -> TraceAnswer:
        calls = self._of_trace(
            "calls",
            "call_id, target.name, method.name, status, attempt, start_ns, end_ns, outcome",
            "left join names target on target.id = target left join names method on method.id = method",
        )
        runs = self._of_trace(
            "executes",
            "names.name, batch_id, batch_size, rows, start_ns, end_ns, device_ns, cost, method, energy",
            "left join names on names.id = device",
        )
        # Where no attempt of ours is the parent: a span of somebody else below the caller, or the caller itself.
        callers = dict(rows(self._cursor, _OWNED, hi=self._hi, lo=self._lo))
        callers |= {hop[_SPAN]: hop[_SPAN] for hop in hops}
        callers |= {call[0]: span for span, made in calls.items() for call in made}
        kept = rows(
            self._cursor, "select reason from kept where trace_hi = $hi and trace_lo = $lo", hi=self._hi, lo=self._lo
        )
        first = min(hop[_START] for hop in hops)
        answers = [_hop(hop, first, callers, calls, runs) for hop in hops]
        unpriced = {run["device"] for hop in answers for run in hop["executes"] if run["cost_usd"] is None}
        return {
            "trace_id": f"{trace_id:032x}",
            "kept": kept[0][0] if kept else "",
            "cost_usd": _total(answers, [answer["cost_usd"] for answer in answers]),
            "device_seconds": sum(answer["device_seconds"] for answer in answers),
            "energy_joules": _total(answers, [answer["energy_joules"] for answer in answers]),
            "unpriced_devices": sorted(unpriced),
            "hops": answers,
            "spans": foreign_spans(self._cursor, self._hi, self._lo, _wall_ns(answers)),
        }


def _wall_ns(hops: list[HopAnswer]) -> int:
    """When the first hop began, since the epoch."""
    return round(min(hops, key=lambda hop: hop["start_seconds"])["wall_seconds"] * _SECOND)


def _total(hops: list[HopAnswer], parts: list[float | None]) -> float | None:
    """The sum of what hops used; None where a part is unknown, and where no hop used a device."""
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) and any(hop["executes"] for hop in hops) else None


_SPAN: Final = 2
_START: Final = WIDTH + 1
_Grouped = dict[int, list[tuple[Any, ...]]]


def _hop(hop: tuple[Any, ...], origin: int, callers: dict[int, int], calls: _Grouped, runs: _Grouped) -> HopAnswer:
    parent, start, request_class, chunk, first, last, tokens_in, tokens_out, *rest = hop[WIDTH:]
    bytes_in, bytes_out, state, coded, *stages = rest
    # Both are times since the start, where 0 is a time like any other.
    each = None if first is None else per_output_token(start + first, start + last, tokens_out)
    span = hop[_SPAN]
    caller = callers.get(parent) if parent else None
    return {
        **request_answer(hop[:WIDTH]),
        "parent_span_id": "" if caller is None else f"{caller:016x}",
        "request_class": request_class or "",
        "start_seconds": (start - origin) / _SECOND,
        "first_chunk_seconds": None if chunk is None else chunk / _SECOND,
        "first_token_seconds": None if first is None else first / _SECOND,
        "time_per_output_token_seconds": None if each is None else each / _SECOND,
        "tokens_in": tokens_in or None,
        "tokens_out": tokens_out or None,
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        "stages": {stage.label: ns / _SECOND for stage, ns in zip(Stage, stages, strict=True) if ns},
        "device_state": _state(hop[_DEVICE], state),
        "segments": _segments(coded),
        "calls": [_call(call, start) for call in calls.get(span, ())],
        "executes": [_execute(run, start) for run in runs.get(span, ())],
    }


_DEVICE: Final = WIDTH - 5


def _state(device: str | None, state: list[float | None]) -> DeviceStateAnswer | None:
    if all(value is None for value in state):
        return None
    utilization, clock, temperature, throttle, throttled = state
    return {
        "device": device or "",
        "utilization_ratio": utilization,
        "sm_clock_hertz": clock,
        "temperature_celsius": temperature,
        "throttle_reasons": None if throttle is None else list(reasons(int(throttle))),
        "throttled_seconds": None if throttled is None else throttled / _SECOND,
    }


def _segments(coded: list[int]) -> list[SegmentAnswer]:
    return [
        {
            "stage": segment.stage.label,
            "kind": segment.kind.label,
            "start_seconds": segment.start / _SECOND,
            "duration_seconds": segment.duration_ns / _SECOND,
            "merged": segment.merged,
        }
        for segment in segments(coded, 0)
    ]


def _call(call: tuple[Any, ...], origin: int) -> CallAnswer:
    identity, target, method, status, attempt, start, end, outcome = call
    return {
        "span_id": f"{identity:016x}",
        "target": target or "",
        "method": method or "",
        "status": status,
        "outcome": Outcome(outcome).label if outcome else "",
        "attempt": attempt,
        "start_seconds": (start - origin) / _SECOND,
        "duration_seconds": (end - start) / _SECOND,
    }


def _execute(run: tuple[Any, ...], origin: int) -> ExecuteAnswer:
    device, batch, size, amount, start, end, ns, cost, method, energy = run
    return {
        "device": device or "",
        "batch_id": f"{batch:016x}" if batch else "",
        "batch_size": size,
        "rows": amount,
        "start_seconds": (start - origin) / _SECOND,
        "duration_seconds": (end - start) / _SECOND,
        "device_seconds": ns / _SECOND,
        "cost_usd": None if cost is None else cost / PICODOLLARS,
        "cost_method": "" if method is None else METHOD.values[method],
        "energy_joules": None if energy is None else energy / MICROJOULES,
    }
