"""What the kernel knows of a TCP socket: how long its newest bytes lie there, how many connections wait to be accepted.

``TCP_INFO`` counts in jiffies (1-10 ms), so a difference of two moments is right to one of them, either way. What is
said here is what a request has waited *at least*: a jiffy less than the kernel says, and nothing below two.
"""

import socket
import struct
import time
from typing import Final, Protocol

_PROTOCOL: Final = socket.IPPROTO_TCP
_OPTION: Final = getattr(socket, "TCP_INFO", 0)
_CLOCK_MONOTONIC_COARSE: Final = 6  # of <linux/time.h>; Python has no name for it
# struct tcp_info of <linux/tcp.h>: eight bytes, then u32 by index.
_STATE_AND_QUEUE: Final = struct.Struct("<B23xI")  # tcpi_state, tcpi_unacked: of a listener, the length of its queue
_SINCE: Final = struct.Struct("<44xI4xI")  # ms: tcpi_last_data_sent, tcpi_last_data_recv
_unpack, _SIZE = _SINCE.unpack, _SINCE.size
_LISTENING: Final = 10
_NS_PER_MS: Final = 10**6
_LONGEST_NS: Final = 600 * 10**9
"""More is no wait but a kernel that fills the structure with something else."""


class Socket(Protocol):
    """What is asked of a socket, such as the one that an asyncio transport shows."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """The option's bytes."""


def _jiffy_ns() -> int:
    """Resolution of the kernel's own clock, which is that of ``TCP_INFO``."""
    try:
        return round(time.clock_getres(_CLOCK_MONOTONIC_COARSE) * 10**9)
    except OSError:
        return 10 * _NS_PER_MS


JIFFY_NS: Final = _jiffy_ns()
_SHORTEST_MS: Final = 2 * JIFFY_NS / _NS_PER_MS
AVAILABLE: Final = bool(_OPTION)
"""Whether this system has ``TCP_INFO``."""


def waited_ns(connection: Socket) -> int:
    """How long, at least, the newest bytes of a connection have been in the kernel; 0 where that cannot be told.

    Bytes that came while an earlier request of the connection was answered (pipelining) have waited for the server
    only since that answer's last byte left.

    Raises:
        OSError: it is no TCP socket.
    """
    sent, received = _unpack(connection.getsockopt(_PROTOCOL, _OPTION, _SIZE))
    if received < _SHORTEST_MS:
        return 0
    waited = min(int(sent), int(received)) * _NS_PER_MS
    return waited - JIFFY_NS if 2 * JIFFY_NS <= waited <= _LONGEST_NS else 0


def accept_queue(descriptor: int) -> int | None:
    """Connections that wait to be accepted by a listening socket; None where it is none, or closed."""
    if not AVAILABLE:
        return None
    try:
        # Family, type and protocol are given, and the descriptor stays its owner's.
        borrowed = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, descriptor)
    except (OSError, ValueError):
        # A socket that was closed says -1.
        return None
    try:
        state, queued = _STATE_AND_QUEUE.unpack(borrowed.getsockopt(_PROTOCOL, _OPTION, _STATE_AND_QUEUE.size))
    except (OSError, struct.error):
        return None
    finally:
        borrowed.detach()
    return int(queued) if state == _LISTENING else None
