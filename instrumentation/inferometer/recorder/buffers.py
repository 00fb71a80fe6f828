"""Rows that wait for the next frame: bytes only, so that the garbage collector never looks at them.

Every operation on the lists is one that CPython performs whole (append, slice, delete of a slice), so a request ends
without taking a lock; locks are taken where something is dropped, which must be counted exactly.
"""

import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from inferometer.wire.layout import CALLS, EXECUTES, EXTERNAL_IDS, GAPS, INTERVALS, REQUESTS, Section

PARTS: Final = (EXECUTES, CALLS, INTERVALS, GAPS, EXTERNAL_IDS)
"""Tables that may have rows of a finished request, besides its own."""
_COUNTS: Final = struct.Struct(f"<{len(PARTS)}I")
BUFFER_FULL: Final = "buffer_full"
"""One of ``catalog.labels.DROP_REASON``."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows by table, as they go into a frame, and the number of finished requests among them."""

    tables: Mapping[Section, bytes]
    requests: int


class Buffers:
    """Finished requests, executes outside any request, and batches, until a frame takes them."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """Finished requests of each kind that are kept, and executes and batches."""
        self.plain: list[bytes] = []
        """Rows of requests that have no rows in other tables; `limit` bounds them, too."""
        self._named: list[bytes] = []
        self._whole: list[bytes] = []
        self._executes: list[bytes] = []
        self._batches: list[bytes] = []
        self._lock = threading.Lock()
        self._drops: dict[str, int] = {}

    def request(self, row: bytes) -> None:
        """A finished request that has nothing but its row."""
        if len(self.plain) < self.limit:
            self.plain.append(row)
        else:
            self.dropped()

    def request_named(self, row: bytes, external_id: bytes) -> None:
        """A finished request that has nothing but its row and what its caller calls it."""
        if len(self._named) < self.limit:
            self._named.append(row + external_id)
        else:
            self.dropped()

    def request_with(self, row: bytes, *parts: bytes) -> None:
        """A finished request with its rows of each of `PARTS`: one object, so that all of it lands in one frame."""
        if len(self._whole) >= self.limit:
            self.dropped()
            return
        self._whole.append(b"".join((_COUNTS.pack(*map(len, parts)), row, *parts)))

    def execute(self, row: bytes) -> None:
        """An execute that no request has part in."""
        if len(self._executes) < self.limit:
            self._executes.append(row)
        else:
            self.dropped()

    def batch(self, row: bytes) -> None:
        """An executed batch."""
        if len(self._batches) < self.limit:
            self._batches.append(row)
        else:
            self.dropped()

    def dropped(self, count: int = 1, reason: str = BUFFER_FULL) -> None:
        """Count what is given up."""
        with self._lock:
            self._drops[reason] = self._drops.get(reason, 0) + count

    def drops(self) -> dict[str, int]:
        """What was given up since the start, by reason."""
        with self._lock:
            return dict(self._drops)

    def __len__(self) -> int:
        return len(self.plain) + len(self._named) + len(self._whole)

    def take(self) -> Rows:
        """Everything that waits. Only the flusher calls it."""
        plain, whole = _taken(self.plain), _taken(self._whole)
        parts: dict[Section, list[bytes]] = {Section.REQUESTS: plain}
        for table in PARTS:
            parts[table.section] = []
        parts[Section.EXECUTES] += _taken(self._executes)
        parts[Section.BATCHES] = _taken(self._batches)
        for record in _taken(self._named):
            plain.append(record[: REQUESTS.size])
            parts[Section.EXTERNAL_IDS].append(record[REQUESTS.size :])
        for record in whole:
            offset = _COUNTS.size
            end = offset + REQUESTS.size
            plain.append(record[offset:end])
            for table, size in zip(PARTS, _COUNTS.unpack_from(record), strict=True):
                offset, end = end, end + size
                parts[table.section].append(record[offset:end])
        return Rows({section: b"".join(rows) for section, rows in parts.items()}, len(plain))

    def after_fork(self) -> None:
        """Forget what the parent process will send, and its lock."""
        self._lock = threading.Lock()
        self._drops.clear()
        for rows in (self.plain, self._named, self._whole, self._executes, self._batches):
            rows.clear()


def _taken(rows: list[bytes]) -> list[bytes]:
    count = len(rows)
    taken = rows[:count]
    del rows[:count]
    return taken
