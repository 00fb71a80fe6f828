"""What became of each hook: whether it works, how often it failed, and how to take it out."""

import logging
import threading
from collections.abc import Callable
from typing import Final

log = logging.getLogger("inferometer")

ACTIVE: Final = "active"
WAITING: Final = "waiting"
UNSUPPORTED: Final = "unsupported"
FAILED: Final = "failed"
OFF: Final = "off"


class HookStates:
    """Status and errors by hook, and the way out for one that fails."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._status: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        self._errors: dict[str, int] = {}
        self._undo: dict[str, list[Callable[[], None]]] = {}

    def set(self, hook: str, status: str) -> None:
        """The hook is in this status (one of ``catalog.labels.HOOK_STATUS``)."""
        with self._lock:
            self._status[hook] = status

    def status_of(self, hook: str) -> str | None:
        """Status of a hook; None where nobody installed it."""
        return self._status.get(hook)

    def reason_of(self, hook: str) -> str:
        """Why a hook is unsupported or failed; empty for one that is neither."""
        return self._reasons.get(hook, "")

    def on_failure(self, hook: str, undo: Callable[[], None]) -> None:
        """What takes the hook out again."""
        with self._lock:
            self._undo.setdefault(hook, []).append(undo)

    def failed(self, hook: str, error: BaseException) -> None:
        """Our code in the hook raised: count it, take the hook out, say so once."""
        with self._lock:
            self._errors[hook] = self._errors.get(hook, 0) + 1
            first = self._status.get(hook) != FAILED
            self._status[hook] = FAILED
            self._reasons.setdefault(hook, f"it raised {type(error).__name__}: {error}")
            undo = self._undo.pop(hook, [])
        for step in reversed(undo):
            step()
        if first:
            log.warning("hook %s is off, it raised %s: %s", hook, type(error).__name__, error, exc_info=error)

    def unsupported(self, hook: str, reason: str) -> None:
        """The library is not as the hook needs it; what it replaced already stays where it works alone."""
        self.set(hook, UNSUPPORTED)
        self._reasons[hook] = reason
        log.warning("hook %s is not supported here: %s", hook, reason)

    def statuses(self) -> dict[str, str]:
        """Hook -> status."""
        with self._lock:
            return dict(self._status)

    def errors(self) -> dict[str, int]:
        """Hook -> errors caught since the start."""
        with self._lock:
            return dict(self._errors)

    def after_fork(self) -> None:
        """Make the lock new, and count from 0: the parent process tells of its own errors."""
        self._lock = threading.RLock()
        self._errors.clear()
