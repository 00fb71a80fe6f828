"""Triton: ``InferRequest`` with a span of each model below it and its ``compute`` below that; stages are their events.

Source: Triton, ``src/tracer.cc`` (OpenTelemetry mode): HTTP_RECV and HTTP_SEND on the root, REQUEST_START and
QUEUE_START on a model's span, COMPUTE_START, COMPUTE_INPUT_END, COMPUTE_OUTPUT_START and COMPUTE_END on its compute
span. Of an ensemble every model's span tells its own part. All of them are SERVER spans in 2.51; the root begins when
the request's head was read, so that HTTP_RECV lies before it, and what a backend answers as an error is no failed span.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from inferometer.catalog import engine_spans
from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.otlp.read import Value
from inferometer_exporters.receivers.facts import Convention, Facts, Part, Told, number, text

ROOT: Final = "InferRequest"
COMPUTE: Final = "compute"
ANSWERED: Final = "INFER_RESPONSE_COMPLETE"
"""Event of a root whose model answered, with what it may be."""
MODEL: Final = engine_spans.TRITON_MODEL
VERSION: Final = engine_spans.TRITON_VERSION
_ROOT_PARTS: Final = (
    (Stage.NETWORK, Kind.READ, "HTTP_RECV_START", "HTTP_RECV_END"),
    (Stage.NETWORK, Kind.SEND, "HTTP_SEND_START", "HTTP_SEND_END"),
)
_COMPUTE_PARTS: Final = (
    (Stage.EXECUTE, Kind.COPY_IN, "COMPUTE_START", "COMPUTE_INPUT_END"),
    (Stage.EXECUTE, Kind.NONE, "COMPUTE_INPUT_END", "COMPUTE_OUTPUT_START"),
    (Stage.EXECUTE, Kind.COPY_OUT, "COMPUTE_OUTPUT_START", "COMPUTE_END"),
)


def _ask(span: Told) -> Facts | None:
    if span.name != ROOT:
        return None
    below = span.below()
    models = sorted((one for one in below if text(one.attributes, (MODEL,))), key=lambda one: one.start)
    computes = [one for one in below if one.name == COMPUTE]
    events = span.events()
    parts = [*_between(_ROOT_PARTS, events)]
    for compute in computes:
        parts += _between(_COMPUTE_PARTS, compute.events())
    starts = sorted(part.start for part in parts if part.stage is Stage.EXECUTE)
    for model in models:
        queued = model.events().get("QUEUE_START", 0)
        begun = next((start for start in starts if start >= queued), 0)
        if queued and begun and begun <= model.end:
            parts.append(Part(Stage.QUEUE, Kind.BATCH_WAIT, queued, begun))
    # The first to begin is the one that was asked for: an ensemble begins before its steps.
    named = models[0].attributes if models else {}
    failed = span.failed or any(one.failed for one in below)
    # Input that is none, and a model that is not there, get no further than here.
    refused = not models and ANSWERED not in events
    return Facts(
        outcome=Outcome.SERVER_ERROR if failed else Outcome.CLIENT_ERROR if refused else Outcome.OK,
        model=text(named, (MODEL,)),
        version=_version(named),
        route=ROOT,
        parts=tuple(parts),
    )


def _version(said: Mapping[str, Value]) -> str:
    """A model's version; Triton writes the number of the version's folder."""
    return str(number(said, (VERSION,)) or text(said, (VERSION,)))


def _between(pairs: tuple[tuple[Stage, Kind, str, str], ...], events: Mapping[str, int]) -> Iterator[Part]:
    for stage, kind, begin, end in pairs:
        if begin in events and end in events:
            yield Part(stage, kind, events[begin], events[end])


NORMALIZER: Final = Convention(frozenset({MODEL, VERSION}), _ask, called=ROOT.__eq__)
