"""Replacing an attribute, so that it can be put back, and refusing what is not there."""

from collections.abc import Callable
from typing import Any

from inferometer.errors import InferometerError
from inferometer.recorder.worker import Worker


class UnsupportedError(InferometerError):
    """The library is not as the hook needs it."""


def replace(worker: Worker, hook: str, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Put ``make(original)`` in the place of an attribute of a module or class; taken back where the hook fails.

    Raises:
        UnsupportedError: *owner* itself does not have the attribute, or it cannot be called.
    """
    original = vars(owner).get(name)
    if not callable(original):
        raise UnsupportedError(f"{getattr(owner, '__name__', owner)} has no {name} that can be called")
    replacement = make(original)
    for attribute in ("__name__", "__qualname__", "__doc__", "__module__"):
        setattr(replacement, attribute, getattr(original, attribute, None))
    replacement.__wrapped__ = original
    setattr(owner, name, replacement)

    def undo() -> None:
        # Somebody else may have wrapped ours meanwhile; then theirs stays and calls us.
        if vars(owner).get(name) is replacement:
            setattr(owner, name, original)

    worker.hooks.on_failure(hook, undo)
