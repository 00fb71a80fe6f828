"""The one thread of ours in a serving process: makes frames and delivers them until they are acknowledged."""

import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from inferometer.errors import InferometerError
from inferometer.recorder.connection import SEND_SECONDS, Connection
from inferometer.recorder.destination import Destination
from inferometer.recorder.frames import FrameMaker
from inferometer.wire.frame import decode
from inferometer.wire.layout import REQUESTS

if TYPE_CHECKING:
    from inferometer.recorder.worker import Worker

log = logging.getLogger("inferometer")

RETRY_SECONDS: Final = 1.0
"""Pause after nobody was found to send to."""
REFUSED_SECONDS: Final = 10.0
SIDECAR_SECONDS: Final = 3.0
"""How often a worker on a local Intake looks for a sidecar."""
USUAL_REQUESTS: Final = 1_024
"""Finished requests of a frame, beyond which the next one comes sooner: what waits must not grow with the traffic."""
SHORTEST_SECONDS: Final = 0.02


class Flusher:
    """A daemon thread that sends a frame each period, idle or not, and the last one at exit."""

    def __init__(self, worker: "Worker", destination: Destination) -> None:
        self._worker = worker
        self._settings = worker.settings
        self._destination = destination
        self._maker = FrameMaker(worker)
        self._unacknowledged: deque[tuple[int, bytes]] = deque()
        self._unacknowledged_bytes = 0
        self._connection: Connection | None = None
        self._retry_at = 0.0
        self._look_at = 0.0
        self._said = ""
        self._period = self._settings.flush_seconds
        """Seconds until the next frame."""
        self._wake = threading.Event()
        self._done = threading.Event()
        self._asked = 0
        self._answered = 0
        self._progress = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="inferometer-flusher", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def flush(self, seconds: float) -> bool:
        """Send what is buffered now and wait until it is acknowledged.

        Returns:
            False where that took longer than *seconds*.
        """
        with self._progress:
            self._asked += 1
            wanted = self._asked
            self._wake.set()
            return self._progress.wait_for(lambda: self._answered >= wanted, seconds)

    def close(self, seconds: float) -> None:
        """Flush, then end the thread and what it holds; *seconds* bound the whole."""
        deadline = time.monotonic() + seconds
        self.flush(seconds)
        self._closing = True
        self._wake.set()
        self._done.wait(max(deadline - time.monotonic(), 0.05))
        self._say_what_is_lost()

    def abandon(self) -> None:
        """In a forked child: close the copy of the parent's socket; the thread is not in this process."""
        self._disconnect()

    def _say_what_is_lost(self) -> None:
        frames = list(self._unacknowledged)
        lost = len(self._worker.buffers) + sum(decode(frame).count(REQUESTS) for _, frame in frames)
        if lost:
            log.warning("nobody acknowledged %d requests before this process had to end: they are lost", lost)

    def _run(self) -> None:
        try:
            while not self._closing:
                self._wake.wait(self._period)
                self._wake.clear()
                self._guarded_pass()
        finally:
            if self._connection is not None:
                self._connection.close()
            self._destination.give_up_intake()
            self._done.set()

    def _guarded_pass(self) -> None:
        asked = self._asked
        try:
            self._pass()
            if asked > self._answered:
                self._settle(asked)
        except Exception as error:  # noqa: BLE001 - the edge: this thread must outlive whatever went wrong
            self._disconnect()
            self._worker.hooks.failed("flusher", error)

    def _pass(self) -> None:
        if self._unacknowledged_bytes < self._settings.frame_bytes:
            self._period = self._next_period(len(self._worker.buffers))
            sequence, frame = self._maker.make()
            if self._worker.tracing is not None:
                self._worker.tracing.sent(frame, self._worker.shapes.all)
            self._unacknowledged.append((sequence, frame))
            self._unacknowledged_bytes += len(frame)
            if self._connection is not None:
                self._try(partial(Connection.send, frame=frame))
        if self._connection is None:
            self._reconnect()
        elif not self._destination.is_sidecar:
            self._look_for_sidecar()
        self._read(0.0)

    def _next_period(self, requests: int) -> float:
        """Seconds until the next frame, after one of so many *requests*."""
        wanted = self._period * USUAL_REQUESTS / max(requests, 1)
        return min(max(wanted, SHORTEST_SECONDS), self._settings.flush_seconds)

    def _settle(self, asked: int) -> None:
        """Wait for the acknowledgement of everything sent, for somebody who waits in `flush`."""
        deadline = time.monotonic() + self._settings.exit_seconds
        while self._unacknowledged and time.monotonic() < deadline and not self._closing:
            if self._connection is None:
                time.sleep(0.02)
                self._reconnect()
            self._read(0.05)
        if not self._unacknowledged:
            with self._progress:
                self._answered = max(self._answered, asked)
                self._progress.notify_all()

    def _read(self, seconds: float) -> None:
        if self._connection is None:
            return
        connection = self._connection
        self._try(partial(Connection.read, seconds=seconds))
        durable = connection.acknowledged
        while self._unacknowledged and self._unacknowledged[0][0] <= durable:
            self._unacknowledged_bytes -= len(self._unacknowledged.popleft()[1])

    def _reconnect(self) -> None:
        if time.monotonic() < self._retry_at:
            return
        self._retry_at = time.monotonic() + RETRY_SECONDS
        try:
            sock = self._destination.open()
        except InferometerError as error:
            self._say(str(error))
            self._retry_at = time.monotonic() + REFUSED_SECONDS
            return
        if sock is None:
            return
        self._adopt(sock)

    def _adopt(self, sock: socket.socket) -> None:
        """Greet who listens there, and send it everything that nobody acknowledged."""
        try:
            self._connection = Connection(sock, self._worker.hello(self._destination.token()))
        except OSError:
            return
        except InferometerError as error:
            sock.close()
            self._say(str(error))
            self._retry_at = time.monotonic() + REFUSED_SECONDS
            return
        for _, frame in self._unacknowledged:
            if self._connection is None:
                return
            self._try(partial(Connection.send, frame=frame))

    def _look_for_sidecar(self) -> None:
        if self._settings.sidecar or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + SIDECAR_SECONDS
        sock = self._destination.sidecar()
        if sock is None:
            return
        # What the local Intake has absorbed is its own to acknowledge; the sidecar gets what comes after.
        self._read(SEND_SECONDS)
        self._disconnect()
        self._destination.give_up_intake()
        self._adopt(sock)

    def _try(self, action: Callable[[Connection], object]) -> None:
        if self._connection is None:
            return
        try:
            action(self._connection)
        except OSError:
            self._disconnect()
            self._retry_at = 0.0
        except InferometerError as error:
            self._disconnect()
            self._say(str(error))
            self._retry_at = time.monotonic() + REFUSED_SECONDS

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _say(self, message: str) -> None:
        if message != self._said:
            self._said = message
            log.warning("%s; records wait, up to %d bytes", message, self._settings.frame_bytes)
