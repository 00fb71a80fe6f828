"""Spans of others on their way to the trace store, and what became of them."""

from collections.abc import Iterator, Sequence
from typing import Final

from inferometer.catalog import telemetry
from inferometer.catalog.labels import COMPONENT, DROP_REASON
from inferometer.catalog.model import Counter
from inferometer.otlp.sender import Sender, Unit
from inferometer_exporters.receivers.incoming import Incoming

MAX_BYTES: Final = 16 << 20
"""Of spans that wait for the trace store; more are dropped, and counted."""
_RECEIVER: Final = COMPONENT.values[2]
_QUEUE_FULL, _REJECTED = DROP_REASON.values[2:4]
Count = tuple[Counter, tuple[str, ...], int]


class Forward:
    """Sends whole requests; used by one thread.

    They wait in memory alone: unlike our own traces they are in no state file, because what others write into
    attributes is not ours to store.

    Args:
        sender: bounded by `MAX_BYTES`.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._number = 0
        self._dropped = 0

    def put(self, requests: Sequence[Incoming]) -> None:
        """Queue what is left of *requests*."""
        for request in requests:
            self._number += 1
            spans = len(request.spans)
            unit = Unit(self._number, bytes(request.message.SerializeToString()), spans)
            if not self._sender.put(unit):
                self._dropped += spans

    def settle(self) -> Iterator[Count]:
        """What to count since the last call: every span is accepted, rejected or dropped once."""
        settled = self._sender.settled()
        sent = sum(unit.spans for unit in settled.accepted)
        left_out = min(settled.rejected_spans, sent)
        dropped, self._dropped = self._dropped, 0
        yield telemetry.SPANS_FORWARDED, (), sent - left_out
        yield telemetry.DROPS, (_RECEIVER, _REJECTED), sum(unit.spans for unit in settled.rejected) + left_out
        yield telemetry.DROPS, (_RECEIVER, _QUEUE_FULL), dropped
        yield telemetry.EXPORT_FAILURES, (), settled.failures
