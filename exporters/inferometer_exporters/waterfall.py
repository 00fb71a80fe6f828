"""A trace as one self-contained page: HTML and CSS alone, so that a link to a trace works with nothing but Python."""

from collections.abc import Iterator
from html import escape
from typing import Final

from inferometer_exporters.device_text import cost_text, hop_cost_text, state_text
from inferometer_exporters.html_page import document, dollars
from inferometer_exporters.recorder.answers import HopAnswer, SegmentAnswer, SpanAnswer, TraceAnswer
from inferometer_exporters.token_text import token_text

# One colour per stage, readable on white and on black.
_COLOURS: Final = {
    "network": "#3b8ea5",
    "queue": "#d9a404",
    "deserialize": "#5b7fd1",
    "preprocess": "#a05bb5",
    "execute": "#3c9a5f",
    "postprocess": "#8b3f87",
    "serialize": "#3d5aa8",
    "remote": "#9a9a9a",
    "handler": "#c9733a",
    "other": "#b8b8b8",
}


def page(trace: TraceAnswer) -> str:
    """The page of a trace."""
    total = max(hop["start_seconds"] + hop["duration_seconds"] for hop in trace["hops"])
    facts = f"<p class=facts>{escape(' · '.join(_facts(trace)))}</p>"
    of_hop, loose = placed(trace)
    parts = [facts]
    for hop in trace["hops"]:
        parts += [*_hop(hop, total), *(_span(span, total) for span in of_hop.get(hop["span_id"], ()))]
    if loose:
        parts += ["<h2>Spans of others</h2>", *(_span(span, total) for span in loose)]
    return document(f"Trace {trace['trace_id']}", parts)


def placed(trace: TraceAnswer) -> tuple[dict[str, list[SpanAnswer]], list[SpanAnswer]]:
    """Spans of others by the span id of their hop, and those whose hop is not known."""
    known = {hop["span_id"] for hop in trace["hops"]}
    of_hop: dict[str, list[SpanAnswer]] = {}
    loose: list[SpanAnswer] = []
    for span in trace["spans"]:
        hop = span["request_span_id"]
        (of_hop.setdefault(hop, []) if hop in known else loose).append(span)
    return of_hop, loose


def _facts(trace: TraceAnswer) -> Iterator[str]:
    yield f"{len(trace['hops'])} hop{'s' if len(trace['hops']) > 1 else ''}"
    if cost := cost_text(trace, dollars):
        yield f"cost {cost}"
    if trace["kept"]:
        yield f"kept because {trace['kept']}"


def _hop(hop: HopAnswer, total: float) -> Iterator[str]:
    name = f"{hop['method']} {hop['route']}".strip() or hop["model"]
    facts = [hop["service"], hop["model"], hop["version"], f"tenant {hop['tenant']}" if hop["tenant"] else ""]
    facts += [f"{hop['outcome']} {hop['status'] or ''}".strip(), _milliseconds(hop["duration_seconds"])]
    for run in hop["executes"][:1]:
        facts.append(f"on {run['device']}" + (f", batch of {run['batch_size']}" if run["batch_id"] else ""))
    facts.append(token_text(hop, _milliseconds))
    facts += [hop_cost_text(hop, dollars), state_text(hop)]
    yield f"<h2>{escape(name)}</h2><p class=facts>{escape(' · '.join(filter(None, facts)))}</p>"
    for segments in _by_stage(hop["segments"]).values():
        yield _row(segments, hop["start_seconds"], total)


def _span(span: SpanAnswer, total: float) -> str:
    scale = 100 / total if total else 0.0
    # By another clock it may seem to begin before the trace, or to end after it.
    start = min(max(span["start_seconds"], 0.0), total)
    end = min(max(span["start_seconds"] + span["duration_seconds"], start), total)
    bar = (
        f"<i style='left:{start * scale:.3f}%;width:{(end - start) * scale:.3f}%;background:{_COLOURS['remote']}'></i>"
    )
    name = f"{span['service']} {span['name']}" + (" (failed)" if span["failed"] else "")
    return (
        f"<div class=row><span class=name>{escape(name)}</span><span class=bar>{bar}</span>"
        f"<span class=time>{_milliseconds(span['duration_seconds'])}</span></div>"
    )


def _by_stage(segments: list[SegmentAnswer]) -> dict[str, list[SegmentAnswer]]:
    found: dict[str, list[SegmentAnswer]] = {}
    for segment in segments:
        label = f"{segment['stage']} {segment['kind']}".strip()
        found.setdefault(label, []).append(segment)
    return found


def _row(segments: list[SegmentAnswer], offset: float, total: float) -> str:
    stage, kind = segments[0]["stage"], segments[0]["kind"]
    spent = sum(segment["duration_seconds"] for segment in segments)
    scale = 100 / total if total else 0.0
    bars = "".join(
        f"<i style='left:{(offset + segment['start_seconds']) * scale:.3f}%;"
        f"width:{segment['duration_seconds'] * scale:.3f}%;background:{_COLOURS.get(stage, '#888')}'></i>"
        for segment in segments
    )
    name = escape(f"{stage} ({kind})" if kind else stage)
    return (
        f"<div class=row><span class=name>{name}</span><span class=bar>{bars}</span>"
        f"<span class=time>{_milliseconds(spent)}</span></div>"
    )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"
