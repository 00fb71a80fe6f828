"""vLLM: one span ``llm_request`` from arrival to end, whose attributes tell how long each phase took.

Phases follow each other without a gap: waiting for the scheduler, prefill until the first token, decode until the last
one. What lies before is the API server's work (template, tokens), what lies behind it is its answer. Source: vLLM,
``v1/engine/output_processor.py`` (V1, 0.6 and later); phases are wall time of the request, not of the device.
"""

from collections.abc import Mapping
from typing import Final

from inferometer.catalog import engine_spans
from inferometer.catalog.stages import Kind, Stage
from inferometer.otlp.read import Value
from inferometer_exporters.receivers.facts import (
    GENERATION,
    Convention,
    Facts,
    Part,
    Told,
    generated,
    seconds,
    with_parts,
)

NAME: Final = "llm_request"
QUEUE: Final = engine_spans.QUEUE_TIME
PREFILL: Final = engine_spans.PREFILL_TIME
DECODE: Final = engine_spans.DECODE_TIME
FIRST_TOKEN: Final = engine_spans.FIRST_TOKEN_TIME


def _ask(span: Told) -> Facts | None:
    return _said(span.attributes, span.failed, span.start) if span.name == NAME else None


def _said(said: Mapping[str, Value], failed: bool, start: int) -> Facts | None:  # noqa: FBT001 - an `Alone`
    facts = generated(said, failed)
    if facts is None or FIRST_TOKEN not in said or (until_first := seconds(said, FIRST_TOKEN)) is None:
        return facts
    first = start + until_first
    queue, prefill, decode = seconds(said, QUEUE), seconds(said, PREFILL), seconds(said, DECODE)
    parts: tuple[Part, ...] = ()
    if prefill is not None:
        parts = (Part(Stage.EXECUTE, Kind.PREFILL, first - prefill, first),)
        if queue is not None:
            parts += (Part(Stage.QUEUE, Kind.ENGINE, first - prefill - queue, first - prefill),)
    if decode is not None:
        parts += (Part(Stage.EXECUTE, Kind.DECODE, first, first + decode),)
    return with_parts(facts, parts, first)


NORMALIZER: Final = Convention(
    GENERATION.names | {QUEUE, PREFILL, DECODE, FIRST_TOKEN}, _ask, called=NAME.__eq__, alone=_said
)
