"""Tells who watches that a pass of the Intake is shown: no watcher asks again and again whether there is news."""

import asyncio
import threading
from typing import Final

MAX_WATCHERS: Final = 64
"""Watchers at once: each is a connection that stays open."""


class Pulse:
    """The number of the newest pass; one thread beats, tasks of any event loop wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self.number = 0
        """Of the newest pass that changed anything."""

    def beat(self, number: int) -> None:
        """A pass is shown; from any thread. One that changed nothing has the number of the one before."""
        with self._lock:
            if number == self.number:
                return
            self.number = number
            waiting, self._waiting = self._waiting, set()
        for loop, event in waiting:
            # The server that the loop is of may have ended meanwhile.
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    async def after(self, number: int, seconds: float) -> int | None:
        """The newest pass once it is another than *number*; None where none came for so long, or too many wait."""
        event = asyncio.Event()
        entry = (asyncio.get_running_loop(), event)
        with self._lock:
            if self.number != number:
                return self.number
            if len(self._waiting) >= MAX_WATCHERS:
                return None
            self._waiting.add(entry)
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return None
        finally:
            with self._lock:
                self._waiting.discard(entry)
        return self.number
