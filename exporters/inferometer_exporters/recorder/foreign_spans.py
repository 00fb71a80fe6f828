"""Spans of others in a waterfall."""

from typing import Any, Final

import duckdb

from inferometer_exporters.recorder.reading import rows
from inferometer_exporters.recorder.trace_answers import SpanAnswer, TraceAnswer

MAX_SPANS: Final = 200
"""Of one trace: a waterfall with more is read in a trace store."""
_SECOND: Final = 10**9
_ERROR: Final = 1
# A sender that heard no answer sends again: the same span may be there twice.
_SPANS: Final = """
    select span_id, any_value(parent_id), any_value(request), any_value(service), any_value(name), any_value(kind),
           any_value(failed), any_value(wall_ns) as start, any_value(duration_ns)
    from spans where trace_hi = $hi and trace_lo = $lo group by span_id order by start, span_id limit $most
"""


def foreign_spans(cursor: duckdb.DuckDBPyConnection, hi: int, lo: int, origin_ns: int) -> list[SpanAnswer]:
    """The first `MAX_SPANS` of a trace, by start.

    Args:
        cursor: of the recorder.
        hi: upper half of the trace id.
        lo: its lower half.
        origin_ns: wall time at which the trace's first hop began.
    """
    return [_span(row, origin_ns) for row in rows(cursor, _SPANS, hi=hi, lo=lo, most=MAX_SPANS)]


def _span(row: tuple[Any, ...], origin_ns: int) -> SpanAnswer:
    span, parent, request, service, name, kind, failed, start, duration = row
    return {
        "span_id": f"{span:016x}",
        "parent_span_id": f"{parent:016x}" if parent else "",
        "request_span_id": f"{request:016x}" if request else "",
        "service": service,
        "name": name,
        "kind": kind,
        "failed": failed == _ERROR,
        "start_seconds": (start - origin_ns) / _SECOND,
        "duration_seconds": duration / _SECOND,
    }


def placed(trace: TraceAnswer) -> tuple[dict[str, list[SpanAnswer]], list[SpanAnswer]]:
    """Spans of others by the span id of their hop, and those whose hop is not known."""
    known = {hop["span_id"] for hop in trace["hops"]}
    of_hop: dict[str, list[SpanAnswer]] = {}
    loose: list[SpanAnswer] = []
    for span in trace["spans"]:
        hop = span["request_span_id"]
        (of_hop.setdefault(hop, []) if hop in known else loose).append(span)
    return of_hop, loose
