"""Where requests of spans wait for the next pass: bounded, so that senders hear of it and hold theirs back."""

import threading
from collections import deque
from typing import Final

from inferometer_exporters.receivers.incoming import Incoming

MAX_BYTES: Final = 16 << 20
"""Of requests that wait, before they were decoded; objects take about three times that."""


class Inbox:
    """Filled by ports, emptied by the pipeline.

    Args:
        max_bytes: of requests that wait.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._waiting: deque[Incoming] = deque()
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether nothing is taken before the next pass; asked before a request is decoded."""
        return self._bytes >= self._max_bytes

    def put(self, request: Incoming) -> bool:
        """Queue a request; False where there is no room: its sender may try again."""
        with self._lock:
            if self._waiting and self._bytes + request.size > self._max_bytes:
                return False
            self._waiting.append(request)
            self._bytes += request.size
            return True

    def take(self) -> list[Incoming]:
        """Everything that waits."""
        with self._lock:
            taken, self._waiting = list(self._waiting), deque()
            self._bytes = 0
        return taken
