"""Ports on loopback: the usual one where it is free, another with a word about it where it is not."""

import socket
from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"


@dataclass(slots=True)
class Ports:
    """Hands out ports and remembers which of them are not the usual ones."""

    notes: list[str] = field(default_factory=list)
    _taken: set[int] = field(default_factory=set)

    def take(self, usual: int, purpose: str) -> int:
        """A port that nobody listens on now.

        Args:
            usual: Where people look for it; 0 where nobody does.
            purpose: Names it in the note that a replacement leaves.
        """
        if usual and usual not in self._taken and is_free(usual):
            self._taken.add(usual)
            return usual
        # Whom it was given has not bound it yet: the system may offer it again.
        while (port := _any_free()) in self._taken:
            continue
        self._taken.add(port)
        if usual:
            self.notes.append(f"port {usual} is busy: {purpose} is on {port}")
        return port


def _any_free() -> int:
    with socket.create_server((LOOPBACK, 0)) as server:
        port: int = server.getsockname()[1]
    return port


def is_free(port: int) -> bool:
    """Whether a server on loopback could listen on that port now."""
    try:
        with socket.create_server((LOOPBACK, port)):
            return True
    except OSError:
        return False
