"""Replacing an attribute, so that it can be put back, and refusing what is not there."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from inferometer.errors import InferometerError
from inferometer.recorder.worker import Worker


class UnsupportedError(InferometerError):
    """The library is not as the hook needs it."""


class NotWantedError(InferometerError):
    """Settings leave the hook out."""


def replace(worker: Worker, hook: str, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Put ``make(original)`` in the place of an attribute of a module or class; taken back where the hook fails.

    Raises:
        UnsupportedError: *owner* itself does not have the attribute, or it cannot be called.
    """
    original = vars(owner).get(name)
    if not callable(original):
        raise UnsupportedError(f"{getattr(owner, '__name__', owner)} has no {name} that can be called")
    replacement = _like(owner, name, make(original), original)
    worker.hooks.on_failure(hook, _swap(owner, name, replacement, original))


def require(owner: Any, *names: str) -> None:
    """Refuse a library before anything of it is replaced: hooks that only work together come together.

    Raises:
        UnsupportedError: *owner* itself lacks one of *names*, or it cannot be called.
    """
    missing = [name for name in names if not callable(vars(owner).get(name))]
    if missing:
        raise UnsupportedError(f"{getattr(owner, '__name__', owner)} has no {', '.join(missing)}")


def replace_classmethod(worker: Worker, hook: str, owner: type, name: str, make: Callable[[Any], Any]) -> None:
    """Put a class method in the place of one; ``make(function)`` gets the function below, with the class first.

    Raises:
        UnsupportedError: *owner* itself does not have it, or it is no class method.
    """
    original = vars(owner).get(name)
    if not isinstance(original, classmethod):
        raise UnsupportedError(f"{owner.__name__} has no class method {name}")
    replacement: Any = classmethod(_like(owner, name, make(original.__func__), original.__func__))
    worker.hooks.on_failure(hook, _swap(owner, name, replacement, original))


def override(worker: Worker, hook: str, owner: type, name: str, make: Callable[[Any], Any]) -> None:
    """Give a class a method of its own that stands before the one it inherits; taken out where the hook fails.

    Raises:
        UnsupportedError: *owner* has no such method, not even an inherited one.
    """
    if name in vars(owner):
        replace(worker, hook, owner, name, make)
        return
    inherited = getattr(owner, name, None)
    if not callable(inherited):
        raise UnsupportedError(f"{owner.__name__} has no {name} that can be called")
    replacement = _like(owner, name, make(inherited), inherited)
    setattr(owner, name, replacement)

    def undo() -> None:
        if vars(owner).get(name) is replacement:
            delattr(owner, name)

    worker.hooks.on_failure(hook, undo)


def _like(owner: Any, name: str, replacement: Any, original: Any) -> Any:
    replacement.__name__, replacement.__doc__ = name, getattr(original, "__doc__", None)
    # It is found where it is put, not where the original was written: pickled applications refer to it by name, and
    # what is not found by name is pickled whole, with all that it holds of ours.
    if isinstance(owner, ModuleType):
        replacement.__module__, replacement.__qualname__ = owner.__name__, name
    else:
        replacement.__module__, replacement.__qualname__ = owner.__module__, f"{owner.__qualname__}.{name}"
    replacement.__wrapped__ = original
    return replacement


def _swap(owner: Any, name: str, replacement: Any, original: Any) -> Callable[[], None]:
    setattr(owner, name, replacement)

    def undo() -> None:
        # Somebody else may have wrapped ours meanwhile; then theirs stays and calls us.
        if vars(owner).get(name) is replacement:
            setattr(owner, name, original)

    return undo
