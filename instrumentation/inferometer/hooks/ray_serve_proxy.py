"""Ray Serve's HTTP proxy: a hop of its own, in front of the replicas, under the name of the deployment it asks."""

import time
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.patching import replace, require
from inferometer.recorder.asgi import Method, recording
from inferometer.recorder.asgi_request import AsgiRequest
from inferometer.recorder.headers import MEMBER, SERVER_TIMING, parse_server_timing
from inferometer.recorder.protocol import Message, Receive, Scope, Send
from inferometer.recorder.request import current
from inferometer.recorder.worker import Worker

now = time.monotonic_ns
SERVICE: Final = "ray-serve-proxy"
_INTERNAL: Final = "/-/"
"""Health and routes, which the proxy answers itself."""
_TIMING: Final = SERVER_TIMING.encode()
_OURS: Final = MEMBER.encode() + b";"


class _Prefix:
    """Stands for a route, where only its prefix is known."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the proxy's ASGI application, and where it has found the deployment.

    Raises:
        UnsupportedError: this Ray's proxy is another one.
    """
    proxy = module.HTTPProxy
    require(proxy, "__init__", "__call__", "setup_request_context_and_handle")
    replace(worker, hook, proxy, "__init__", lambda original: _named(worker, original))
    replace(worker, hook, proxy, "__call__", lambda original: _recorded(worker, hook, original))
    replace(worker, hook, proxy, "setup_request_context_and_handle", lambda original: _routed(worker, hook, original))


def _named(worker: Worker, original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it becomes that method
        worker.name_service(SERVICE)
        original(self, *args, **kwargs)

    return __init__


def _recorded(worker: Worker, hook: str, original: Method) -> Method:
    async def call(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
        # The proxy pickles the scope for the replica, which has keys and stamps of its own.
        plain = {key: value for key, value in scope.items() if not key.startswith("inferometer")}
        await original(self, plain, receive, _answers(worker, hook, send))

    recorded = recording(worker, call)

    async def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: N807 - it becomes one
        if scope.get("path", "").startswith(_INTERNAL):
            await original(self, scope, receive, send)
        else:
            await recorded(self, scope, receive, send)

    return __call__


def _answers(worker: Worker, hook: str, send: Send) -> Send:
    """*send* that keeps for us what the replica says of its time."""

    def answer(message: Message) -> Awaitable[None]:
        try:
            if message["type"] == "http.response.start":
                message = _heard(message)
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)
        return send(message)

    return answer


def _heard(message: Message) -> Message:
    request = current()
    mark = request.calls[-1] if request is not None and request.calls else None
    if mark is None:
        return message
    mark.headers = now()
    mark.status = int(message["status"])
    others = []
    for name, value in message.get("headers", ()):
        if name.lower() == _TIMING and value.startswith(_OURS):
            mark.server_ns = parse_server_timing(value.decode("latin-1"))
        else:
            others.append((name, value))
    return {**message, "headers": others}


def _routed(worker: Worker, hook: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def setup_request_context_and_handle(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        try:
            request = current()
            if isinstance(request, AsgiRequest) and request.scope is not None:
                handle, _ = result
                request.hooked = request.hooked or handle.deployment_name
                route = kwargs.get("route", args[2] if len(args) > 2 else "")  # noqa: PLR2004 - its third parameter
                request.scope["route"] = _Prefix(str(route))
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)
        return result

    return setup_request_context_and_handle
