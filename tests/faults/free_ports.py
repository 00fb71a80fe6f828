"""Ports for servers that tests start by a command, and that cannot be told to take any free one and say which."""

import contextlib
import random
import socket
from typing import Final

# From 32768 on the kernel gives one to whoever asks for any: it may be gone before the server asks for it.
_FIRST: Final = 17_000
_BEYOND: Final = 32_000
_HELD: Final[list[socket.socket]] = []


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, that the kernel gives to nobody, and that is handed out once.

    A server binds it some time later, so that looking whether it is free does not tell one caller from another: a name
    in the abstract namespace, which the kernel takes back when this process ends, says that it is somebody's.
    The generator is the machine's: tests that set a seed, and those that run beside them, would all get the same one.
    """
    while True:
        port = random.SystemRandom().randrange(_FIRST, _BEYOND)
        mark = socket.socket(socket.AF_UNIX)
        with socket.socket() as sock, contextlib.suppress(OSError):
            mark.bind(f"\0inferometer-tests/{port}")
            sock.bind(("127.0.0.1", port))
            _HELD.append(mark)
            return port
        mark.close()
