"""One connection to an Intake: says HELLO, sends frames, reads acknowledgements. Used by one thread."""

import json
import select
import socket
import time
from typing import Final

from inferometer.errors import RefusedError, WireError
from inferometer.wire.message import Hello, Reader, Type, acked, head, pack

SEND_SECONDS: Final = 1.0
_CHUNK: Final = 65_536
_TLS_WANTS_MORE: Final = 2
"""``ssl.SSL_ERROR_WANT_READ``: the module is loaded only where TLS is spoken. As a number of the system it means that
a file is missing, which reading a socket never says."""


class Connection:
    """Frames out, acknowledgements in."""

    def __init__(self, sock: socket.socket, hello: Hello) -> None:
        """Send HELLO.

        Raises:
            OSError: the other side is gone.
        """
        self._sock = sock
        self._reader = Reader()
        self.acknowledged = 0
        """Highest sequence that is durable on the other side."""
        sock.settimeout(SEND_SECONDS)
        try:
            sock.sendall(pack(Type.HELLO, hello.to_bytes()))
        except OSError:
            sock.close()
            raise

    def send(self, frame: bytes) -> None:
        """Send a frame.

        Raises:
            OSError: the other side is gone, or took nothing for a second.
        """
        if len(frame) < _CHUNK:
            self._sock.sendall(pack(Type.FRAME, frame))
            return
        # A frame of many requests is not copied to put twelve bytes before it.
        self._sock.sendall(head(Type.FRAME, len(frame)))
        self._sock.sendall(frame)

    def read(self, seconds: float = 0.0) -> int:
        """Wait up to *seconds* for something to read, and return the highest acknowledged sequence.

        Raises:
            OSError: the other side is gone.
            RefusedError: it refused this worker.
            WireError: what it sends is not our protocol.
        """
        deadline = time.monotonic() + seconds
        while self._readable(max(deadline - time.monotonic(), 0.0)):
            data = self._received()
            if data is None:
                continue
            if not data:
                raise ConnectionResetError("the Intake closed the connection")
            before = self.acknowledged
            for kind, payload in self._reader.feed(data):
                self._take(kind, payload)
            if self.acknowledged > before and seconds:
                break
        return self.acknowledged

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def _received(self) -> bytes | None:
        """What is there; None where TLS had something to say to itself only."""
        self._sock.settimeout(0.0)
        try:
            return self._sock.recv(_CHUNK)
        except OSError as error:
            if isinstance(error, BlockingIOError) or error.errno == _TLS_WANTS_MORE:
                return None
            raise
        finally:
            self._sock.settimeout(SEND_SECONDS)

    def _readable(self, seconds: float) -> bool:
        # What TLS has decrypted already wakes no poll.
        if getattr(self._sock, "pending", int)():
            return True
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == Type.ACK:
            self.acknowledged = max(self.acknowledged, acked(payload))
        elif kind == Type.REFUSE:
            try:
                reason = str(json.loads(payload).get("reason", ""))
            except (ValueError, AttributeError) as error:
                raise WireError(f"a refusal is no JSON object: {error}") from error
            raise RefusedError(f"the Intake refused this worker: {reason or 'it gives no reason'}")
