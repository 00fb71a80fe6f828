"""What spans of requests with tokens say besides: OpenTelemetry's conventions for generative AI, as of 1.41."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from inferometer.catalog import spans
from inferometer.otlp.fields import attribute
from inferometer.record.model import Labels, RequestRecord

_NANOSECONDS: Final = 10**9
_OPERATIONS: Final = (
    ("/chat/completions", "chat"),
    ("/completions", "text_completion"),
    ("/embeddings", "embeddings"),
    ("/responses", "chat"),
    ("/messages", "chat"),
    ("/api/chat", "chat"),
    ("/api/generate", "text_completion"),
    ("/api/embed", "embeddings"),
)
"""Ends of the routes of usual APIs, and what the conventions call what they do; of other routes nothing is said."""


def operation(route: str) -> str:
    """The conventions' name of what a route does; empty where its API is not known."""
    return next((name for end, name in _OPERATIONS if route.endswith(end)), "")


def token_fields(record: RequestRecord) -> Iterator[bytes]:
    """Attributes of a request that read or wrote tokens; what is unknown is left out."""
    yield _names(record.labels)
    if record.tokens_in:
        yield attribute(spans.GEN_AI_INPUT_TOKENS, record.tokens_in)
    if record.tokens_out:
        yield attribute(spans.GEN_AI_OUTPUT_TOKENS, record.tokens_out)
    times = (
        (spans.GEN_AI_FIRST_CHUNK, record.first_chunk_ns),
        (spans.FIRST_TOKEN, record.first_token_ns),
        (spans.TIME_PER_OUTPUT_TOKEN, record.time_per_output_token_ns),
    )
    for name, time in times:
        if time is not None:
            yield attribute(name, time / _NANOSECONDS)


@lru_cache(maxsize=1024)
def _names(labels: Labels) -> bytes:
    # What the client asked for is not known: the model that answered may have been chosen by its alias.
    named = ((spans.GEN_AI_OPERATION, operation(labels.route)), (spans.GEN_AI_RESPONSE_MODEL, labels.model))
    return b"".join(attribute(name, text) for name, text in named if text)
