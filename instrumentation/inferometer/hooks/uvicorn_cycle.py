"""uvicorn's protocols, h11 and httptools: when the kernel had a request, and when its head was parsed."""

import inspect
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from inferometer.hooks.patching import UnsupportedError, replace
from inferometer.recorder.asgi_request import TIMES_KEY
from inferometer.recorder.tcp_info import AVAILABLE, waited_ns
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
    make = _timed if AVAILABLE else _stamped
    replace(worker, hook, cycle, "__init__", lambda original: make(worker, hook, original))


def _stamped(worker: Worker, hook: str, original: Callable[..., None]) -> Callable[..., None]:  # noqa: ARG001 - as below
    def __init__(self: Any, scope: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it becomes that method
        scope[TIMES_KEY] = now(), 0
        original(self, scope, *args, **kwargs)

    return __init__


def _timed(worker: Worker, hook: str, original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, scope: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it becomes that method
        start = now()
        scope[TIMES_KEY] = start, 0
        original(self, scope, *args, **kwargs)
        try:
            connection = self.transport.get_extra_info("socket")
            if connection is not None and (waited := waited_ns(connection)):
                scope[TIMES_KEY] = start, min(now() - waited, start)
        except OSError:
            # A Unix socket, or one that was closed meanwhile: nobody can tell.
            pass
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)

    return __init__
