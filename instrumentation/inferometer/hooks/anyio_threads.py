"""anyio: the threads in which Starlette and FastAPI run what is synchronous, and everybody's waits for them.

A synchronous endpoint's wait is stamped where FastAPI and Starlette hand it over. Whatever else a request has done in a
thread (a dependency, a part of a synchronous stream, the application's own ``run_in_threadpool``) goes through
``run_sync``, which everybody looks up in its module.
"""

import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from inferometer.catalog.stages import Kind, Stage
from inferometer.hooks.fastapi_routing import StampedCall
from inferometer.hooks.patching import UnsupportedError, replace
from inferometer.recorder.request import OpenRequest, current
from inferometer.recorder.worker import Worker

now = time.monotonic_ns
_SHORT_NS: Final = 200_000
"""A free thread takes over in less, and to tell of that would cost about as long as it takes."""


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Remember whom to ask how busy the threads are, and see who waits for one.

    Raises:
        UnsupportedError: there is nobody to ask.
    """
    ask = getattr(module, "current_default_thread_limiter", None)
    if not callable(ask):
        raise UnsupportedError("anyio.to_thread has no current_default_thread_limiter")
    worker.thread_pool.ask = ask
    replace(worker, hook, module, "run_sync", lambda original: _run_sync(worker, hook, original))


def _run_sync(worker: Worker, hook: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def run_sync(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            request = current()
            if request is not None and getattr(func, "func", func).__class__ is not StampedCall:
                func = _Timed(worker, hook, request, func)
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)
        return original(func, *args, **kwargs)

    return run_sync


class _Timed:
    """A call on its way to a thread; how long that took is told where it begins there."""

    __slots__ = ("_asked", "_function", "_hook", "_request", "_worker")

    def __init__(self, worker: Worker, hook: str, request: OpenRequest, function: Callable[..., Any]) -> None:
        self._worker = worker
        self._hook = hook
        self._request = request
        self._function = function
        self._asked = now()

    def __call__(self, *args: Any) -> Any:
        begun = now()
        if begun - self._asked >= _SHORT_NS:
            try:
                self._request.add_interval(self._asked, begun, Stage.QUEUE, Kind.THREADPOOL)
            except Exception as error:  # noqa: BLE001 - the edge
                self._worker.hooks.failed(self._hook, error)
        return self._function(*args)
