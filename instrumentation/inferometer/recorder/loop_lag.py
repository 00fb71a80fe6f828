"""How late timers of the event loop fire: the longest delay since somebody last asked."""

import time
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

PERIOD_SECONDS = 0.1


class LoopLag:
    """A timer in the server's event loop that notes by how much it was late."""

    def __init__(self) -> None:
        self._loop: weakref.ref[asyncio.AbstractEventLoop] | None = None
        self._longest = 0

    def watch(self) -> bool:
        """Watch the running event loop; False where none runs or it is watched already."""
        import asyncio  # noqa: PLC0415 - a server has loaded it; a script that imports us need not

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        if self._loop is not None and self._loop() is loop:
            return False
        self._loop = weakref.ref(loop)
        self._again(loop)
        return True

    def take(self) -> int:
        """Longest delay in ns since the last call."""
        longest, self._longest = self._longest, 0
        return longest

    def after_fork(self) -> None:
        """The parent's loop is not ours."""
        self._loop = None
        self._longest = 0

    def _again(self, loop: "asyncio.AbstractEventLoop") -> None:
        due = time.monotonic_ns() + int(PERIOD_SECONDS * 1e9)
        loop.call_later(PERIOD_SECONDS, self._tick, loop, due)

    def _tick(self, loop: "asyncio.AbstractEventLoop", due: int) -> None:
        late = time.monotonic_ns() - due
        self._longest = max(self._longest, late)
        if self._loop is not None and self._loop() is loop:
            self._again(loop)
