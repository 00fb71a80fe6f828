"""From the recorder's answer about a trace to a waterfall."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from inferometer.catalog.stages import Kind, Stage
from inferometer_compose.screens.units import dollars, duration
from inferometer_compose.screens.waterfall import Hop, Segment, Trace
from inferometer_exporters.device_text import cost_text, state_text
from inferometer_exporters.recorder.foreign_spans import placed
from inferometer_exporters.recorder.trace_answers import HopAnswer, SpanAnswer, TraceAnswer
from inferometer_exporters.token_text import token_text


def trace_of(answer: TraceAnswer) -> Trace:
    """The waterfall of a trace.

    Its root is the hop that nobody here called; where several have no caller here, the first is the root and the
    others follow it.
    """
    hops = answer["hops"]
    known = {hop["span_id"] for hop in hops}
    entry, *others = sorted((hop for hop in hops if hop["parent_span_id"] not in known), key=_start)
    of_hop, loose = placed(answer)
    root = _hop(entry, hops, of_hop, others=others)
    return Trace(
        trace_id=answer["trace_id"],
        root=replace(root, children=(*root.children, *map(_span, loose))),
        tenant=entry["tenant"],
        outcome=entry["outcome"],
        cost=cost_text(answer, dollars),
    )


def _start(hop: HopAnswer) -> float:
    return hop["start_seconds"]


def _span(span: SpanAnswer) -> Hop:
    """A row for a span of somebody else, of which only its time is known."""
    return Hop(
        title=span["name"],
        service=span["service"],
        model="",
        start_seconds=span["start_seconds"],
        duration_seconds=span["duration_seconds"],
        segments=(),
        remark="failed" if span["failed"] else "",
    )


def _hop(
    hop: HopAnswer,
    hops: Iterable[HopAnswer],
    spans: Mapping[str, Sequence[SpanAnswer]],
    *,
    others: Iterable[HopAnswer] = (),
    caller: str = "",
) -> Hop:
    called = [one for one in hops if one["parent_span_id"] == hop["span_id"]]
    segments = tuple(
        Segment(
            stage=Stage[segment["stage"].upper()],
            start_seconds=segment["start_seconds"],
            duration_seconds=segment["duration_seconds"],
            kind=segment["kind"],
        )
        for segment in hop["segments"]
    )
    network = _transit(segments) if len(called) == 1 else ""
    return Hop(
        title=f"{hop['method']} {hop['route']}".strip(),
        service=hop["service"],
        model=hop["model"],
        start_seconds=hop["start_seconds"],
        duration_seconds=hop["duration_seconds"],
        segments=segments,
        notes=_notes(hop),
        remark=", ".join(filter(None, (_name(hop), _ending(hop), caller))),
        details=tuple(filter(None, (token_text(hop, duration), state_text(hop)))),
        children=(
            *(_hop(one, hops, spans, caller=network) for one in sorted([*called, *others], key=_start)),
            *map(_span, spans.get(hop["span_id"], ())),
        ),
    )


def _name(hop: HopAnswer) -> str:
    model = "" if hop["model"] == hop["route"] else hop["model"]
    return " ".join(filter(None, (model, hop["version"])))


def _ending(hop: HopAnswer) -> str:
    if hop["outcome"] == "ok":
        return ""
    return f"{hop['outcome']} {hop['status']}" if hop["status"] else hop["outcome"]


def _transit(segments: Iterable[Segment]) -> str:
    seconds = sum(one.duration_seconds for one in segments if one.kind == Kind.TRANSIT.label)
    return f"network {duration(seconds / 2)} each way" if seconds else ""


def _notes(hop: HopAnswer) -> tuple[tuple[Stage, str], ...]:
    """Remarks on what executed: how often, and in which company."""
    runs = hop["executes"]
    if not runs:
        return ()
    parts = [f"{len(runs)} runs"] if len(runs) > 1 else []
    largest = max(run["batch_size"] for run in runs)
    parts += [f"batch of {largest}"] if largest > 1 else []
    return ((Stage.EXECUTE, ", ".join(parts)),) if parts else ()
