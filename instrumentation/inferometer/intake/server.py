"""The listening side of the wire: Unix and TCP, one thread, selectors. What is not ours is refused with a reason."""

import contextlib
import json
import logging
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from inferometer.errors import RefusedError, WireError
from inferometer.intake.listeners import Listener
from inferometer.intake.pipeline import Arrival, WorkerInfo
from inferometer.wire import frame as frames
from inferometer.wire.frame import Frame, Names
from inferometer.wire.layout import REQUESTS
from inferometer.wire.message import Hello, Reader, Type, ack, pack

_log = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 512
MAX_WAITING_BYTES: Final = 256 << 20
"""Bytes of frames that wait for a pass; beyond it sockets are not read, and workers hold their frames back."""
MAX_NAMES: Final = 100_000
"""Label sets and strings of one worker."""
HELLO_SECONDS: Final = 10.0
"""A connection that has not said who it is by then is closed."""
_READ_BYTES: Final = 1 << 18


class Connection:
    """One worker's connection."""

    __slots__ = ("leftover", "names", "opened", "peer", "reader", "sock", "worker")

    def __init__(self, sock: socket.socket, peer: str, opened: float) -> None:
        self.sock = sock
        self.peer = peer
        self.opened = opened
        self.reader = Reader()
        self.worker: WorkerInfo | None = None
        self.names = Names()
        self.leftover = b""
        """Bytes that the peer was too slow to take."""


class Server:
    """Reads frames from all connections into an inbox, and answers for them; used by one thread.

    Args:
        listeners: sockets that listen; closed with the server.
        boot_id: of this kernel; workers of another one are refused, their clock is not ours.
        monotonic: seconds.
    """

    def __init__(
        self,
        listeners: Iterable[Listener],
        *,
        boot_id: str,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._boot_id = boot_id
        self._monotonic = monotonic
        self._max_waiting = max_waiting_bytes
        self._selector = selectors.DefaultSelector()
        self._listeners = list(listeners)
        for listener in self._listeners:
            self._selector.register(listener.sock, selectors.EVENT_READ, None)
        self._connections: dict[int, Connection] = {}
        self._inbox: deque[tuple[Connection, Frame]] = deque()
        self.waiting_bytes = 0
        """Bytes of frames in the inbox."""
        self.waiting_requests = 0
        """Rows of finished requests in the inbox."""
        self._waker, self._woken = socket.socketpair()
        self._woken.settimeout(0.0)
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self.refused = 0
        """Connections that were refused since the start."""

    def wake(self) -> None:
        """End a `poll` that waits; from any thread."""
        with contextlib.suppress(OSError):
            self._waker.send(b"\0")

    def poll(self, timeout: float) -> None:
        """Wait up to *timeout* seconds for something, and read all that is there."""
        if self.waiting_bytes >= self._max_waiting:
            # Whoever waits in the kernel's buffers is served after the next pass.
            time.sleep(min(timeout, 0.01))
            return
        for key, events in self._selector.select(max(timeout, 0.0)):
            connection = key.data
            if connection is not None:
                if events & selectors.EVENT_WRITE:
                    self._flush(connection)
                if events & selectors.EVENT_READ:
                    self._read(connection)
            elif key.fileobj is self._woken:
                with contextlib.suppress(BlockingIOError):
                    self._woken.recv(4096)
            else:
                self._accept(key.fileobj)  # type: ignore[arg-type]  # only sockets are registered
        self._close_silent()

    def take(self) -> list[Arrival]:
        """All frames that came since the last call, duplicates included, in the order in which they came."""
        arrivals = []
        while self._inbox:
            connection, frame = self._inbox.popleft()
            if connection.worker is not None:
                arrivals.append(Arrival(connection.worker, frame, connection.names))
        self.waiting_bytes = self.waiting_requests = 0
        return arrivals

    def workers(self) -> set[bytes]:
        """Ids of connected workers."""
        return {c.worker.worker_id for c in self._connections.values() if c.worker is not None}

    @property
    def connections(self) -> int:
        """Open connections; from any thread."""
        return len(self._connections)

    def acknowledge(self, worker_id: bytes, sequence: int) -> None:
        """Tell a worker that everything up to *sequence* is durable."""
        for connection in list(self._connections.values()):
            if connection.worker is not None and connection.worker.worker_id == worker_id:
                self._send(connection, ack(sequence))

    def close(self) -> None:
        """Close all sockets and remove the files of Unix listeners."""
        for connection in list(self._connections.values()):
            self._drop(connection)
        for listener in self._listeners:
            listener.close()
        self._finish()

    def close_after_fork(self) -> None:
        """Close a child's copies of all sockets; files and connections stay the parent's."""
        for connection in self._connections.values():
            connection.sock.close()
        for listener in self._listeners:
            listener.release()
        self._finish()

    def _finish(self) -> None:
        self._connections.clear()
        self._inbox.clear()
        self._selector.close()
        self._waker.close()
        self._woken.close()

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, peer = listener.accept()
        except OSError as error:
            _log.debug("a connection was gone before it was taken: %s", error)
            return
        sock.settimeout(0.0)
        connection = Connection(sock, str(peer or "unix"), self._monotonic())
        if len(self._connections) >= MAX_CONNECTIONS:
            self._refuse(connection, f"{MAX_CONNECTIONS} connections are open")
            return
        self._connections[sock.fileno()] = connection
        self._selector.register(sock, selectors.EVENT_READ, connection)

    def _read(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
            return
        try:
            for kind, payload in connection.reader.feed(data):
                self._message(connection, kind, payload)
        except (WireError, RefusedError) as error:
            self._refuse(connection, str(error))

    def _message(self, connection: Connection, kind: int, payload: bytes) -> None:
        if kind == Type.HELLO:
            self._hello(connection, Hello.from_bytes(payload))
        elif kind == Type.FRAME:
            if connection.worker is None:
                raise RefusedError("a frame came before HELLO")
            frame = frames.decode(payload)
            if frame.worker_id != connection.worker.worker_id:
                raise RefusedError("a frame is of another worker than its connection")
            self._learn(connection, frame.names)
            self._inbox.append((connection, frame))
            self.waiting_bytes += len(payload)
            self.waiting_requests += frame.count(REQUESTS)

    def _hello(self, connection: Connection, hello: Hello) -> None:
        if hello.boot_id != self._boot_id:
            raise RefusedError("the worker runs on another kernel: its clock cannot be compared with this one")
        connection.worker = WorkerInfo(
            worker_id=hello.worker_id,
            pid=hello.pid,
            service=hello.service,
            sdk_version=hello.sdk_version,
            host=hello.host,
            start_ns=hello.start_ns,
        )
        self._learn(connection, hello.names)

    def _learn(self, connection: Connection, names: Names) -> None:
        connection.names.update(names)
        if len(connection.names.shapes) + len(connection.names.strings) > MAX_NAMES:
            raise RefusedError(f"the worker gave out more than {MAX_NAMES} names")

    def _close_silent(self) -> None:
        limit = self._monotonic() - HELLO_SECONDS
        for connection in list(self._connections.values()):
            if connection.worker is None and connection.opened < limit:
                self._refuse(connection, f"no HELLO within {HELLO_SECONDS:.0f} s")

    def _refuse(self, connection: Connection, reason: str) -> None:
        _log.warning("refused %s: %s", connection.peer, reason)
        self.refused += 1
        with contextlib.suppress(OSError):
            connection.sock.send(pack(Type.REFUSE, json.dumps({"reason": reason}).encode()))
        self._drop(connection)

    def _send(self, connection: Connection, message: bytes) -> None:
        connection.leftover += message
        self._flush(connection)

    def _flush(self, connection: Connection) -> None:
        try:
            sent = connection.sock.send(connection.leftover) if connection.leftover else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(connection)
            return
        connection.leftover = connection.leftover[sent:]
        if len(connection.leftover) > _READ_BYTES:
            # A worker that reads no acknowledgement for so long is stuck; it resends when it comes back.
            self._drop(connection)
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.leftover else 0)
        self._selector.modify(connection.sock, events, connection)

    def _drop(self, connection: Connection) -> None:
        if self._connections.pop(connection.sock.fileno(), None) is not None:
            self._selector.unregister(connection.sock)
        connection.sock.close()
