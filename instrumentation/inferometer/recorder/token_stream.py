"""How to look at a streamed answer, by what its head says of it."""

from collections.abc import Iterable
from typing import Final

from inferometer.recorder.event_stream import EventStream
from inferometer.recorder.streamed import GAP_BOUNDS, HEAD, TOGETHER, ChunkStream, JsonAnswer, Streamed

__all__ = ["GAP_BOUNDS", "HEAD", "TOGETHER", "ChunkStream", "EventStream", "JsonAnswer", "Streamed", "streamed"]

_EVENTS: Final = b"text/event-stream"
_LINES: Final = frozenset(
    (b"application/x-ndjson", b"application/ndjson", b"application/jsonl", b"application/x-jsonlines",
     b"application/json-lines", b"application/jsonlines", b"application/stream+json")
)  # fmt: skip
_JSON: Final = b"application/json"


def streamed(headers: Iterable[tuple[bytes, bytes]], *, every: bool) -> Streamed | None:
    """How to look at a streamed answer, by its headers; None where there is nothing to see.

    Args:
        headers: of the answer.
        every: whether the application says that every chunk is a token.
    """
    kind = b""
    for name, value in headers:
        lower = name.lower()
        if lower == b"content-type":
            kind = value.partition(b";")[0].strip().lower()
        elif lower == b"content-encoding" and value.strip().lower() != b"identity":
            return ChunkStream() if every else None
    if kind == _EVENTS or kind in _LINES:
        return EventStream(lines=kind != _EVENTS, every=every)
    if every:
        return ChunkStream()
    return JsonAnswer() if kind == _JSON else None
