"""Spans that wait until the requests are settled that they may belong to."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from inferometer_exporters.receivers.inbox import Inbox
from inferometer_exporters.receivers.incoming import Incoming

MARGIN_NS: Final = 5 * 10**8
"""How far the ledger must be past the arrival of spans: two frames of a worker, which tell of requests that ended."""
HOLD_NS: Final = 6 * 10**9
"""Longest wait: the ledger waits five seconds for a worker that says nothing, and a pass stores what it settled."""
MAX_HELD_BYTES: Final = 16 << 20
"""Of requests that are held, before they were decoded; beyond it the oldest go on at once."""
PATIENT_NS: Final = 600 * 10**9
"""How long spans are held for `HOLD_NS`, once some came after their request was made of others: SGLang, Ray Serve and
Dynamo export from several processes, each every few seconds."""


class Holding:
    """Holds what came; used by one thread.

    Args:
        inbox: filled by the ports.
        came: is shown what came, before it waits.
    """

    def __init__(self, inbox: Inbox, came: Callable[[Incoming], None]) -> None:
        self._inbox = inbox
        self._came = came
        self._held: deque[Incoming] = deque()
        self._bytes = 0
        self._patient_until = 0

    def due(self, now_ns: int, settled_ns: int, *, everything: bool) -> list[Incoming]:
        """Take in what came, and let go what has waited long enough.

        Args:
            now_ns: CLOCK_MONOTONIC.
            settled_ns: requests that had ended by then are in the recorder.
            everything: wait for nothing.
        """
        for request in self._inbox.take():
            request.came_ns = now_ns
            self._came(request)
            self._held.append(request)
            self._bytes += request.size
        enough = now_ns - HOLD_NS
        if now_ns >= self._patient_until:
            enough = max(settled_ns - MARGIN_NS, enough)
        due: list[Incoming] = []
        while self._held and (everything or self._held[0].came_ns <= enough or self._bytes > MAX_HELD_BYTES):
            due.append(self._held.popleft())
            self._bytes -= due[-1].size
        return due

    def be_patient(self, now_ns: int) -> None:
        """Some came too late: hold what comes longer."""
        self._patient_until = now_ns + PATIENT_NS

    def waiting(self) -> Sequence[Incoming]:
        """What is held, where some came too late before: they may be below those that go on."""
        return self._held if self._patient_until else ()
