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

Name = Callable[[Any, tuple[Any, ...], dict[str, Any]], str]
"""(what the call returned, or the object of a constructor; positional, named arguments) -> the model's name."""


def loading(worker: Worker, hook: str, name: Name) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function's replacement that tells of a load. A constructor's object is its first argument."""

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
                worker.loaded(name(loaded, args, kwargs), time.monotonic_ns() - start)
            except Exception as error:  # noqa: BLE001 - the edge
                worker.hooks.failed(hook, error)
            return loaded

        return load

    return make
