"""Outgoing attempts of a request, while they last."""

import time
from typing import Final

from inferometer.catalog.stages import Kind, Outcome
from inferometer.wire.layout import CALLS

now = time.monotonic_ns
MAX_CALLS: Final = 1024
"""Attempts kept per request; further ones are part of the handler, and counted as dropped."""
_MAX_U8: Final = 255


class CallMark:
    """One attempt of an outgoing request; stamps in ns of CLOCK_MONOTONIC."""

    __slots__ = (
        "attempt",
        "call_id",
        "end",
        "foreign",
        "headers",
        "kind",
        "method",
        "outcome",
        "sent",
        "server_ns",
        "start",
        "status",
        "target",
    )

    def __init__(self, call_id: int, target: int, method: int, attempt: int = 1) -> None:
        self.call_id = call_id
        self.target = target
        self.method = method
        self.attempt = min(attempt, _MAX_U8)
        self.kind = Kind.INFERENCE
        self.foreign = False
        """Whether somebody else put the traceparent there with which the call went out, and makes its span."""
        self.outcome = Outcome.OK
        """Why nobody answered; `OK` where that is not known."""
        self.sent = self.headers = self.end = self.server_ns = self.status = 0
        self.start = now()

    def row(self, span_id: int, end: int) -> bytes:
        """Its row; it ends at *end* where nothing ended it before."""
        return CALLS.row.pack(
            span_id, self.call_id, self.start, self.sent, self.headers, self.end or end, self.server_ns, self.target,
            self.method, self.status, self.kind, self.attempt, self.foreign, self.outcome, 0, 0, 0,
        )  # fmt: skip
