"""Starlette's routes: where an endpoint begins, and the thread of a synchronous one."""

import time
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

from inferometer.hooks.fastapi_routing import thread_hook
from inferometer.hooks.patching import replace
from inferometer.recorder.protocol import Receive, Scope, Send
from inferometer.recorder.request import current_request
from inferometer.recorder.worker import Worker

now = time.monotonic_ns
current = current_request.get


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap ``Route.handle`` and, for routes made from now on, ``run_in_threadpool``."""
    replace(worker, hook, module.Route, "handle", _endpoint(worker, hook, module.Route))
    replace(worker, hook, module, "run_in_threadpool", thread_hook(worker, hook))


def _endpoint(
    worker: Worker, hook: str, route_class: type
) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., Awaitable[None]]]:
    def make(original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        def handle(self: Any, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            # FastAPI's routes are subclasses; their endpoint begins later, after decoding and validation.
            if self.__class__ is not route_class:
                return original(self, scope, receive, send)
            try:
                request = current()
                if request is not None:
                    request.endpoint = now()
                    scope.setdefault("route", self)
            except Exception as error:  # noqa: BLE001 - the edge
                worker.hooks.failed(hook, error)
            return original(self, scope, receive, send)

        return handle

    return make
