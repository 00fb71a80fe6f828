"""One worker's connection, as the listening side sees it."""

import socket
import ssl
import struct
from typing import Final

from inferometer.errors import RefusedError
from inferometer.intake.distant_clock import DistantClock
from inferometer.intake.pipeline import WorkerInfo
from inferometer.wire.frame import Names
from inferometer.wire.message import Reader

READ_BYTES: Final = 1 << 18
_CREDENTIALS: Final = struct.Struct("3i")
NOT_YET: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""What a socket raises that has nothing to read or no room to write now."""


class RefusalError(RefusedError):
    """A refusal that is counted by its reason, one of ``catalog.labels.REFUSAL``."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason


class Connection:
    """What is known of it."""

    __slots__ = (
        "clock",
        "is_tcp",
        "leftover",
        "names",
        "opened",
        "partial_since",
        "peer",
        "pid",
        "reader",
        "sock",
        "worker",
    )

    def __init__(self, sock: socket.socket, peer: str, opened: float, *, is_tcp: bool = False) -> None:
        self.sock = sock
        self.peer = peer
        self.is_tcp = is_tcp
        self.pid = 0 if is_tcp else _pid(sock)
        """Of the process on the other side of a Unix socket, as this process counts; 0 where it cannot be seen."""
        self.clock: DistantClock | None = None
        """Of a worker on another kernel."""
        self.partial_since: float | None = None
        """When the message that is not whole began."""
        self.opened = opened
        self.reader = Reader()
        self.worker: WorkerInfo | None = None
        self.names = Names()
        self.leftover = b""
        """Bytes that the peer was too slow to take."""

    def received(self) -> bytes | None:
        """What is there; None where nothing is yet, empty where the other side is gone."""
        try:
            return self.sock.recv(READ_BYTES)
        except NOT_YET:
            return None
        except OSError:
            return b""

    def send(self, message: bytes = b"") -> bool:
        """Send a message and what is left of others, as far as the other side takes it; whether it still may."""
        self.leftover += message
        try:
            sent = self.sock.send(self.leftover) if self.leftover else 0
        except NOT_YET:
            sent = 0
        except OSError:
            return False
        self.leftover = self.leftover[sent:]
        # A worker that reads no acknowledgement for so long is stuck; it resends when it comes back.
        return len(self.leftover) <= READ_BYTES

    @property
    def has_more(self) -> bool:
        """Whether there is something to read that wakes no selector: TLS has decrypted it already."""
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0


def _pid(sock: socket.socket) -> int:
    """The kernel's word for it, not the worker's: in a container of its own a worker counts otherwise."""
    if sock.family != socket.AF_UNIX or not hasattr(socket, "SO_PEERCRED"):
        return 0
    pid, _, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(pid)
