"""Text Generation Inference: a handler's span has the times of its phases, as Rust prints durations ("1.2ms").

Source: TGI, ``router/src/server.rs``: ``total_time``, ``validation_time``, ``queue_time``, ``inference_time``; they
follow each other from the start.
"""

import re
from collections.abc import Mapping
from typing import Final

from inferometer.catalog import engine_spans, spans
from inferometer.catalog.stages import Kind, Stage
from inferometer.otlp.read import Value
from inferometer_exporters.receivers.facts import GENERATION, Convention, Facts, Part, Told, number, outcome, text

_PHASES: Final = (
    (engine_spans.TGI_VALIDATION_TIME, Stage.DESERIALIZE, Kind.NONE),
    (engine_spans.TGI_QUEUE_TIME, Stage.QUEUE, Kind.ENGINE),
    (engine_spans.TGI_INFERENCE_TIME, Stage.EXECUTE, Kind.NONE),
)
_STATUS: Final = spans.HTTP_STATUS.name
_ROUTE: Final = spans.HTTP_ROUTE.name
_UNITS: Final = {"ns": 1, "µs": 10**3, "ms": 10**6, "s": 10**9}
_DURATION: Final = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(ns|µs|ms|s)")


def _ask(span: Told) -> Facts | None:
    tells = next((one for one in (span, *span.below()) if _INFERENCE in one.attributes), None)
    if tells is None:
        return None
    parts, at = [], tells.start
    for name, stage, kind in _PHASES:
        taken = duration(tells.attributes, name)
        if taken is None:
            break
        parts.append(Part(stage, kind, at, at + taken))
        at += taken
    status = number(span.attributes, (_STATUS,))
    return Facts(
        outcome=outcome(span, status), status=status, route=text(span.attributes, (_ROUTE,)), parts=tuple(parts)
    )


_INFERENCE: Final = engine_spans.TGI_INFERENCE_TIME


def duration(said: Mapping[str, Value], name: str) -> int | None:
    """An attribute that Rust wrote with ``{:?}``, in ns; None where it is no duration."""
    value = said.get(name)
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else round(float(found[1]) * _UNITS[found[2]])


NORMALIZER: Final = Convention(
    frozenset({name for name, _, _ in _PHASES}) | {_STATUS, _ROUTE} | GENERATION.names, _ask, mark=_INFERENCE.encode()
)
