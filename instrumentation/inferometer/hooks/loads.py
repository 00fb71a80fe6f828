"""Loads of models: the outermost call that loads one is told, with its duration."""

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from inferometer.recorder.worker import Worker


class _Loading(threading.local):
    """Whether this thread loads a model: what is loaded inside is part of it."""

    now: bool = False


_loading: Final = _Loading()

_CUDA: Final = "cuda"

Name = Callable[[Any, tuple[Any, ...], dict[str, Any]], str]
"""(what the call returned, or the object of a constructor; positional, named arguments) -> the model's name."""


def loading(
    worker: Worker, hook: str, name: Name, place: Name | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function's replacement that tells of a load. A constructor's object is its first argument.

    Args:
        worker: of this process.
        hook: is counted where we fail.
        name: of the model.
        place: the device to which it was loaded; without it the attribute ``device`` of what the call returned.
    """
    where = place or _placed

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def load(*args: Any, **kwargs: Any) -> Any:
            if _loading.now:
                return original(*args, **kwargs)
            start = time.monotonic_ns()
            _loading.now = True
            try:
                loaded = original(*args, **kwargs)
            finally:
                _loading.now = False
            try:
                taken = time.monotonic_ns() - start
                worker.loaded(name(loaded, args, kwargs), taken, where(loaded, args, kwargs))
            except Exception as error:  # noqa: BLE001 - the edge
                worker.hooks.failed(hook, error)
            return loaded

        return load

    return make


def _placed(loaded: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> str:
    """The device that a loaded model says it is on; empty for one in the host's memory, on its way to a device."""
    device = str(getattr(loaded, "device", ""))
    return device if device.startswith(_CUDA) else ""
