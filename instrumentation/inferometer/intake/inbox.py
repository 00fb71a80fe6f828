"""Frames that came and wait for a pass."""

from collections import deque

from inferometer.intake.connection import Connection
from inferometer.intake.pipeline import Arrival
from inferometer.wire.frame import Frame
from inferometer.wire.layout import REQUESTS


class Inbox:
    """Frames in the order in which they came, duplicates included; used by one thread."""

    def __init__(self) -> None:
        self._frames: deque[tuple[Connection, Frame]] = deque()
        self.bytes = 0
        """Of these frames, as they came."""
        self.requests = 0
        """Rows of finished requests in them."""

    def put(self, connection: Connection, frame: Frame, size: int) -> None:
        """One more frame, of *size* bytes."""
        self._frames.append((connection, frame))
        self.bytes += size
        self.requests += frame.count(REQUESTS)

    def take(self) -> list[Arrival]:
        """All that came since the last call."""
        arrivals = []
        while self._frames:
            connection, frame = self._frames.popleft()
            if connection.worker is not None:
                arrivals.append(Arrival(connection.worker, frame, connection.names))
        self.bytes = self.requests = 0
        return arrivals

    def clear(self) -> None:
        """Forget them."""
        self._frames.clear()
        self.bytes = self.requests = 0
