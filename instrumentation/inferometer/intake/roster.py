"""Which frames are new, and which workers live: sequence marks that survive the Intake itself."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from inferometer.errors import StateError
from inferometer.intake.pipeline import Arrival
from inferometer.wire.layout import OPEN

SILENT_NS: Final = 30 * 10**9
"""A worker that sent nothing for so long is gone."""
LEFT_NS: Final = 2 * 10**9
"""The same for one that closed its connection and had nothing open."""
FORGOTTEN_NS: Final = 3600 * 10**9
"""So long after a worker is gone, its frames would be taken for new ones."""
MAX_WORKERS: Final = 10_000


@dataclass(slots=True)
class _Mark:
    sequence: int
    """Everything up to here was absorbed."""
    seen_ns: int
    open_requests: bool = False
    alive: bool = True


class Roster:
    """Sequence marks and signs of life by worker."""

    def __init__(self) -> None:
        self._marks: dict[bytes, _Mark] = {}

    def accept(self, arrival: Arrival, now_ns: int) -> bool:
        """Note an arrival at CLOCK_MONOTONIC *now_ns*; False for a frame that was absorbed before."""
        frame = arrival.frame
        mark = self._marks.get(frame.worker_id)
        if mark is None:
            if len(self._marks) >= MAX_WORKERS:
                del self._marks[min(self._marks, key=lambda worker: self._marks[worker].seen_ns)]
            mark = self._marks[frame.worker_id] = _Mark(0, now_ns)
        mark.seen_ns = now_ns
        if frame.sequence <= mark.sequence:
            return False
        mark.sequence = frame.sequence
        mark.open_requests = bool(frame.count(OPEN))
        mark.alive = True
        return True

    def sequence(self, worker_id: bytes) -> int:
        """The newest sequence that was absorbed; 0 for a worker that is not known."""
        mark = self._marks.get(worker_id)
        return 0 if mark is None else mark.sequence

    def departed(self, connected: Iterable[bytes], now_ns: int) -> list[bytes]:
        """Workers that are gone since the last call, and forget those that are gone for long."""
        here = set(connected)
        gone = []
        for worker, mark in list(self._marks.items()):
            quiet = now_ns - mark.seen_ns
            left = worker not in here and not mark.open_requests
            if mark.alive and quiet > (LEFT_NS if left else SILENT_NS):
                mark.alive = False
                gone.append(worker)
            elif not mark.alive and quiet > FORGOTTEN_NS:
                del self._marks[worker]
        return gone

    def dump(self) -> bytes:
        """The marks; everything of them that a restart needs."""
        marks = {worker.hex(): [m.sequence, m.seen_ns, m.open_requests, m.alive] for worker, m in self._marks.items()}
        return json.dumps(marks, separators=(",", ":")).encode()

    def load(self, data: bytes, *, now_ns: int, same_boot: bool) -> None:
        """Take over what `dump` wrote; workers that live have their whole time again to report.

        Raises:
            StateError: it is not what `dump` writes.
        """
        try:
            for worker, (sequence, seen_ns, open_requests, alive) in json.loads(data).items():
                # Who lived under another boot cannot come back; a moment long ago says so.
                seen = (now_ns if alive else int(seen_ns)) if same_boot else now_ns - SILENT_NS - 1
                self._marks[bytes.fromhex(worker)] = _Mark(int(sequence), seen, bool(open_requests), bool(alive))
        except (AttributeError, TypeError, ValueError) as error:
            raise StateError(f"sequence marks are not as inferometer writes them: {error}") from error
