"""uvicorn's protocols, h11 and httptools: the moment at which a request's head was parsed."""

import inspect
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from inferometer.hooks.patching import UnsupportedError, replace
from inferometer.recorder.asgi_request import START_KEY
from inferometer.recorder.worker import Worker

now = time.monotonic_ns


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap ``RequestResponseCycle.__init__``.

    Raises:
        UnsupportedError: the cycle does not take its scope first.
    """
    cycle = module.RequestResponseCycle
    if list(inspect.signature(cycle).parameters)[:1] != ["scope"]:
        raise UnsupportedError(f"{module.__name__}.RequestResponseCycle does not take its scope first")
    replace(worker, hook, cycle, "__init__", _stamped)


def _stamped(original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, scope: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it becomes that method
        scope[START_KEY] = now()
        original(self, scope, *args, **kwargs)

    return __init__
