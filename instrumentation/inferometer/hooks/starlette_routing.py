"""Starlette's routes: where an endpoint begins, and the thread of a synchronous one."""

import time
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

from inferometer.hooks.fastapi_routing import in_thread
from inferometer.hooks.patching import replace
from inferometer.recorder.protocol import Receive, Scope, Send
from inferometer.recorder.request import current_request
from inferometer.recorder.worker import Worker

now = time.monotonic_ns
current = current_request.get


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap ``Route.handle`` and, for routes made from now on, ``run_in_threadpool``."""
    replace(worker, hook, module.Route, "handle", lambda original: _endpoint(module.Route, original))
    replace(worker, hook, module, "run_in_threadpool", in_thread)


def _endpoint(route_class: type, original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    def handle(self: Any, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # FastAPI's routes are subclasses; their endpoint begins later, after decoding and validation.
        if type(self) is route_class:
            request = current()
            if request is not None:
                request.endpoint = now()
                scope.setdefault("route", self)
        return original(self, scope, receive, send)

    return handle
