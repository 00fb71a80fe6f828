"""How late the event loop is: the longest delay since somebody last asked.

A timer of ours finds that out, ten times a second. But as long as any timer waits, each turn of a loop is about a
microsecond longer, and a loop of gRPC makes a dozen turns per call; such a loop is asked from outside instead, each
time that somebody wants to know.
"""

import time
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

PERIOD_SECONDS = 0.1


class LoopLag:
    """Notes by how much the server's event loop was late."""

    def __init__(self) -> None:
        self._asks = False
        self._asked = 0
        self._loop: weakref.ref[asyncio.AbstractEventLoop] | None = None
        self._longest = 0

    def watch(self) -> bool:
        """Watch the running event loop by a timer; False where none runs or it is watched already."""
        import asyncio  # noqa: PLC0415 - a server has loaded it; a script that imports us need not

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        if self._loop is not None and self._loop() is loop:
            return False
        self._loop = weakref.ref(loop)
        self._asks = False
        self._again(loop)
        return True

    def ask(self, loop: "asyncio.AbstractEventLoop") -> None:
        """Watch *loop* without a timer, unless one is watched already."""
        known = None if self._loop is None else self._loop()
        if known is None or known.is_closed():
            self._asked = 0
            self._loop = weakref.ref(loop)
            self._asks = True

    def take(self) -> int:
        """Longest delay in ns since the last call."""
        longest, self._longest = self._longest, 0
        if self._asks:
            if self._asked:
                return max(longest, time.monotonic_ns() - self._asked)
            self._ask()
        return longest

    def _ask(self) -> None:
        loop = None if self._loop is None else self._loop()
        if loop is None or loop.is_closed():
            return
        self._asked = time.monotonic_ns()
        try:
            loop.call_soon_threadsafe(self._answered)
        except RuntimeError:
            # It was closed just now.
            self._asked = 0

    def _answered(self) -> None:
        self._longest = max(self._longest, time.monotonic_ns() - self._asked)
        self._asked = 0

    def after_fork(self) -> None:
        """The parent's loop is not ours."""
        self._loop = None
        self._asks = False
        self._longest = self._asked = 0

    def _again(self, loop: "asyncio.AbstractEventLoop") -> None:
        due = time.monotonic_ns() + int(PERIOD_SECONDS * 1e9)
        loop.call_later(PERIOD_SECONDS, self._tick, loop, due)

    def _tick(self, loop: "asyncio.AbstractEventLoop", due: int) -> None:
        late = time.monotonic_ns() - due
        self._longest = max(self._longest, late)
        if self._loop is not None and self._loop() is loop:
            self._again(loop)
