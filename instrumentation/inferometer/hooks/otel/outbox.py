"""Requests that have ended, until their records leave in a frame: then their spans are made, so many at a time."""

import time
from collections.abc import Callable
from typing import Final

from inferometer.catalog.labels import DROP_REASON
from inferometer.hooks.otel.joined import Joined
from inferometer.hooks.otel.spans import Spans
from inferometer.recorder.worker import Worker
from inferometer.wire.frame import Names, decode
from inferometer.wire.records import batches, records

MAX_WAITING: Final = 4096
"""Sampled requests whose spans wait for the next frame; more are dropped and counted."""
MAX_PER_FRAME: Final = 256
"""Requests whose spans are made per frame: some 2,000 spans, which is what the SDK's queue holds."""
PACE: Final = 64
"""Requests whose spans are made at once, about a batch of the SDK's exporter; then there is a pause."""
PAUSE_SECONDS: Final = 0.005
_QUEUE_FULL: Final = DROP_REASON.values[2]
_MISSED: Final = 2
"""Frames after which the row of a request is not to come any more: it was dropped."""


class Outbox:
    """Filled by the threads that serve, emptied by the flusher.

    Args:
        worker: of this process; it counts what is dropped.
        spans: makes them.
    """

    def __init__(self, worker: Worker, spans: Spans) -> None:
        self._worker = worker
        self._spans = spans
        self._waiting: dict[int, Joined] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, span_id: int, joined: Joined) -> None:
        """A sampled request has ended; its record is made after this."""
        if joined.tracer is None or len(self._waiting) >= MAX_WAITING:
            self._drop(joined)
        else:
            self._waiting[span_id] = joined

    def sent(self, frame: bytes, names: Callable[[], Names]) -> None:
        """Make the spans of those whose records are in the frame; *names* are all that the worker ever gave out."""
        if not self._waiting:
            return
        read, known = decode(frame), names()
        offset = read.wall_ns - read.monotonic_ns
        of_batches = {batch.batch_id: batch for batch in batches(read, known)}
        made = 0
        for record in records(read, known):
            joined = self._waiting.pop(record.span_id, None)
            if joined is None:
                continue
            made += 1
            if made > MAX_PER_FRAME:
                self._drop(joined)
                continue
            self._spans.write(joined, record, offset, of_batches)
            # A server's own threads come first, and the exporter's must find time to take a batch away.
            time.sleep(0 if made % PACE else PAUSE_SECONDS)
        self._forget()

    def clear(self) -> None:
        """Forget all."""
        self._waiting.clear()

    def _forget(self) -> None:
        """Give up what waits for a row that was dropped."""
        for span_id, joined in list(self._waiting.items()):
            joined.frames += 1
            if joined.frames > _MISSED:
                del self._waiting[span_id]
                self._drop(joined)

    def _drop(self, joined: Joined) -> None:
        self._worker.buffers.dropped(reason=_QUEUE_FULL)
        if joined.ours and joined.span is not None:
            joined.span.end()
