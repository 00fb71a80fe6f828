"""BentoML: an API of a service is a model; decoding, the wait for a thread of the service, encoding.

Its servers are Starlette under uvicorn, so requests are recorded already; services call each other by httpx.
"""

import time
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

from inferometer.catalog.stages import Kind, Stage
from inferometer.hooks.patching import replace, require
from inferometer.recorder.request import current
from inferometer.recorder.worker import Worker

now = time.monotonic_ns


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap what makes a service's application, and the way of a request through it.

    Raises:
        UnsupportedError: this BentoML serves in another way.
    """
    factory = module.ServiceAppFactory
    require(factory, "__init__", "api_endpoint", "_to_thread")
    replace(worker, hook, factory, "__init__", lambda original: _named(worker, hook, original))
    replace(worker, hook, factory, "api_endpoint", lambda original: _asked(worker, hook, original))
    replace(worker, hook, factory, "_to_thread", _in_thread)


def _named(worker: Worker, hook: str, original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it becomes that method
        original(self, *args, **kwargs)
        try:
            worker.name_service(self.service.name)
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)

    return __init__


def _asked(worker: Worker, hook: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def api_endpoint(self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        try:
            request = current()
            if request is not None and not request.hooked:
                request.hooked = f"{self.service.name}/{name}"
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)
        return original(self, name, *args, **kwargs)

    return api_endpoint


def _in_thread(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    def _to_thread(self: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        request = current()
        # Each item of a stream comes from the thread anew; the first wait is told.
        if request is None or request.chunks:
            return original(self, function, *args, **kwargs)
        asked = now()

        def in_thread(*inner_args: Any, **inner_kwargs: Any) -> Any:
            request.add_interval(asked, now(), Stage.QUEUE, Kind.THREADPOOL)
            return function(*inner_args, **inner_kwargs)

        return original(self, in_thread, *args, **kwargs)

    return _to_thread
