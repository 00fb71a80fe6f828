"""Ports for servers that tests start by a command, and that cannot be told to take any free one and say which."""

import contextlib
import random
import socket
from typing import Final

# From 32768 on the kernel gives one to whoever asks for any: it may be gone before the server asks for it.
_FIRST: Final = 17_000
_BEYOND: Final = 32_000


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that nobody is given by the kernel meanwhile.

    The generator is the machine's: tests that set a seed, and those that run beside them, would all get the same one.
    """
    while True:
        port = random.SystemRandom().randrange(_FIRST, _BEYOND)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port
