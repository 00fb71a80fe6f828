"""Follows the load generator's counts as it prints them."""

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import IO

from inferometer_compose.load.counts import Counts, CountsJson

_LATELY_SECONDS = 3.0


@dataclass(slots=True)
class LoadLine:
    """The counts that came last, and those shortly before, for rates."""

    finished: threading.Event = field(default_factory=threading.Event)
    last: CountsJson = field(default_factory=lambda: Counts().to_json(0.0, done=False))
    _history: deque[CountsJson] = field(default_factory=lambda: deque(maxlen=64))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def follow(self, lines: IO[bytes]) -> None:
        """Read lines until there are no more, in a thread of its own."""
        threading.Thread(target=self._read, args=(lines,), name="load-counts", daemon=True).start()

    def take(self, counts: CountsJson) -> None:
        """Remember newer counts."""
        with self._lock:
            self.last = counts
            self._history.append(counts)

    def lately(self) -> tuple[float, float | None]:
        """Requests per second, and the share of those ended that failed, over the last three seconds."""
        with self._lock:
            if not self._history:
                return 0.0, None
            newest = self._history[-1]
            before = next(
                (c for c in self._history if c["seconds"] >= newest["seconds"] - _LATELY_SECONDS), self._history[0]
            )
        seconds = newest["seconds"] - before["seconds"]
        if seconds <= 0:
            return 0.0, None
        ended = newest["ok"] + newest["failed"] - before["ok"] - before["failed"]
        failed = newest["failed"] - before["failed"]
        return (newest["sent"] - before["sent"]) / seconds, failed / ended if ended else None

    def _read(self, lines: IO[bytes]) -> None:
        for line in lines:
            self.take(json.loads(line))
        self.finished.set()
