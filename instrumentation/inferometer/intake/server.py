"""The listening side of the wire: Unix and TCP, one thread, selectors. What is not ours is refused with a reason."""

import contextlib
import json
import logging
import selectors
import socket
import time
from collections.abc import Callable, Iterable
from typing import Final

from inferometer.access import Token
from inferometer.catalog.labels import REFUSAL
from inferometer.errors import WireError
from inferometer.intake.connection import Connection, RefusalError
from inferometer.intake.inbox import Inbox
from inferometer.intake.introductions import Introductions, Translate, learn
from inferometer.intake.listeners import Listener
from inferometer.intake.pipeline import Arrival
from inferometer.wire import frame as frames
from inferometer.wire.message import Hello, Type, ack, pack
from inferometer.wire.pod import Pod

_log = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 512
MAX_WAITING_BYTES: Final = 256 << 20
"""Bytes of frames that wait for a pass; beyond it sockets are not read, and workers hold their frames back."""
HELLO_SECONDS: Final = 10.0
"""A connection that has not said who it is by then is closed."""
MESSAGE_SECONDS: Final = 30.0
"""A message that is not whole so long after its first byte is given up with its connection."""
MAX_PARTIAL_BYTES: Final = 256 << 20
"""Of messages that are not whole, of all connections together."""
_, _UNDECODABLE, _TOO_LARGE, _TOO_SLOW, _TOO_MANY = REFUSAL.values[:5]


class Server:
    """Reads frames from all connections into an inbox, and answers for them; used by one thread.

    Args:
        listeners: sockets that listen; closed with the server.
        boot_id: of this kernel; the clock of a worker of another one is not ours.
        token: that workers show who come over TCP; None: they show nothing.
        translate: puts frames of another kernel on our clock; None: such workers are refused.
        refused: called with the reason of each refusal, one of ``catalog.labels.REFUSAL``.
        pod_of: what is known of a process on this host that does not say it; of none that can be seen the id is 0.
        monotonic: seconds.
    """

    def __init__(
        self,
        listeners: Iterable[Listener],
        *,
        boot_id: str,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
        token: Token | None = None,
        translate: Translate | None = None,
        refused: Callable[[str], None] | None = None,
        pod_of: Callable[[int], Pod] = lambda _: Pod(),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._introductions = Introductions(
            boot_id=boot_id, token=token, translate=translate, pod_of=pod_of, monotonic=monotonic
        )
        self._monotonic = monotonic
        self._max_waiting = max_waiting_bytes
        self._tell_refused = refused
        self._partial_bytes = 0
        self._selector = selectors.DefaultSelector()
        self._listeners = list(listeners)
        for listener in self._listeners:
            self._selector.register(listener.sock, selectors.EVENT_READ, listener)
        self._connections: dict[int, Connection] = {}
        self.inbox = Inbox()
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
        if self.inbox.bytes >= self._max_waiting:
            # Whoever waits in the kernel's buffers is served after the next pass.
            time.sleep(min(timeout, 0.01))
            return
        for key, events in self._selector.select(max(timeout, 0.0)):
            held = key.data
            if isinstance(held, Listener):
                self._accept(held)
            elif held is None:
                with contextlib.suppress(BlockingIOError):
                    self._woken.recv(4096)
            else:
                if events & selectors.EVENT_WRITE:
                    self._send(held)
                if events & selectors.EVENT_READ:
                    self._read(held)
        self._close_silent()

    def take(self) -> list[Arrival]:
        """All frames that came since the last call, duplicates included, in the order in which they came."""
        return self.inbox.take()

    def workers(self) -> set[bytes]:
        """Ids of connected workers."""
        return {c.worker.worker_id for c in self._connections.values() if c.worker is not None}

    @property
    def connections(self) -> int:
        """Open connections; from any thread."""
        return len(self._connections)

    @property
    def pids(self) -> set[int]:
        """Processes on this host that are connected, as this process counts; from any thread."""
        return {connection.pid for connection in list(self._connections.values()) if connection.pid}

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
        self.inbox.clear()
        self._selector.close()
        self._waker.close()
        self._woken.close()

    def _accept(self, listener: Listener) -> None:
        try:
            sock, peer = listener.sock.accept()
            sock.settimeout(0.0)
            if listener.tls is not None:
                sock = listener.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except OSError as error:
            _log.debug("a connection was gone before it was taken: %s", error)
            return
        connection = Connection(sock, str(peer or "unix"), self._monotonic(), is_tcp=listener.is_tcp)
        if len(self._connections) >= MAX_CONNECTIONS:
            self._refuse(connection, _TOO_MANY, f"{MAX_CONNECTIONS} connections are open")
            return
        self._connections[sock.fileno()] = connection
        self._selector.register(sock, selectors.EVENT_READ, connection)

    def _read(self, connection: Connection) -> None:
        while (data := connection.received()) is not None:
            if not data:
                self._drop(connection)
                return
            try:
                self._feed(connection, data)
            except RefusalError as error:
                self._refuse(connection, error.reason, str(error))
                return
            except WireError as error:
                self._refuse(connection, _UNDECODABLE, str(error))
                return
            if not connection.has_more:
                return

    def _feed(self, connection: Connection, data: bytes) -> None:
        before = connection.reader.waiting
        try:
            for kind, payload in connection.reader.feed(data):
                connection.partial_since = None
                self._message(connection, kind, payload)
        finally:
            self._partial_bytes += connection.reader.waiting - before
        if not connection.reader.waiting:
            connection.partial_since = None
        elif connection.partial_since is None:
            connection.partial_since = self._monotonic()
        if self._partial_bytes > MAX_PARTIAL_BYTES:
            raise RefusalError(_TOO_LARGE, f"{MAX_PARTIAL_BYTES} bytes of messages wait for their ends")

    def _message(self, connection: Connection, kind: int, payload: bytes) -> None:
        if kind == Type.HELLO:
            self._introductions.take(connection, Hello.from_bytes(payload))
        elif kind == Type.FRAME:
            if connection.worker is None:
                raise RefusalError(_UNDECODABLE, "a frame came before HELLO")
            frame = frames.decode(payload)
            if frame.worker_id != connection.worker.worker_id:
                raise RefusalError(_UNDECODABLE, "a frame is of another worker than its connection")
            learn(connection, frame.names)
            self.inbox.put(connection, self._introductions.on_our_clock(connection, frame), len(payload))

    def _close_silent(self) -> None:
        now = self._monotonic()
        for connection in list(self._connections.values()):
            if connection.worker is None and connection.opened < now - HELLO_SECONDS:
                self._refuse(connection, _TOO_SLOW, f"no HELLO within {HELLO_SECONDS:.0f} s")
            elif connection.partial_since is not None and connection.partial_since < now - MESSAGE_SECONDS:
                self._refuse(connection, _TOO_SLOW, f"a message was not whole within {MESSAGE_SECONDS:.0f} s")

    def _refuse(self, connection: Connection, reason: str, why: str) -> None:
        _log.warning("refused %s: %s", connection.peer, why)
        self.refused += 1
        if self._tell_refused is not None:
            self._tell_refused(reason)
        with contextlib.suppress(OSError):
            connection.sock.send(pack(Type.REFUSE, json.dumps({"reason": why}).encode()))
        self._drop(connection)

    def _send(self, connection: Connection, message: bytes = b"") -> None:
        if not connection.send(message):
            self._drop(connection)
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.leftover else 0)
        self._selector.modify(connection.sock, events, connection)

    def _drop(self, connection: Connection) -> None:
        if self._connections.pop(connection.sock.fileno(), None) is not None:
            self._selector.unregister(connection.sock)
            self._partial_bytes -= connection.reader.waiting
        connection.sock.close()
