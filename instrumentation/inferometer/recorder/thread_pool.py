"""The threads that synchronous endpoints run in: how many there are, how many work, how many calls wait."""

import math
from collections.abc import Callable
from typing import Any


class ThreadPool:
    """Knows the limiter of anyio's threads, once its event loop has been asked for it."""

    def __init__(self) -> None:
        self.ask: Callable[[], Any] | None = None
        """``anyio.to_thread.current_default_thread_limiter``; None while anyio is not imported."""
        self._limiter: Any = None

    def watch(self) -> None:
        """Remember the limiter of the running event loop; only a task of it may ask."""
        if self.ask is not None:
            self._limiter = self.ask()

    def numbers(self) -> tuple[int, ...]:
        """Threads, threads in use, calls that wait; empty where that is unknown or without bound."""
        if self._limiter is None:
            return ()
        now = self._limiter.statistics()
        if math.isinf(now.total_tokens):
            return ()
        return int(now.total_tokens), int(now.borrowed_tokens), int(now.tasks_waiting)

    def after_fork(self) -> None:
        """The parent's event loop is not ours."""
        self._limiter = None
