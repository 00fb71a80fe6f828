"""FastAPI: every application's requests, by its class, and its own telemetry left out while nobody listens to it."""

from collections.abc import Awaitable
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.patching import replace
from inferometer.recorder.asgi import RECORDED, Method, recording
from inferometer.recorder.hook_states import FAILED
from inferometer.recorder.protocol import Receive, Scope, Send
from inferometer.recorder.request import current_request
from inferometer.recorder.worker import ASGI_HOOK, Worker
from inferometer.settings import Policy

NATIVE: Final = "fastapi.telemetry"
"""The key with which FastAPI itself leaves a request out of its telemetry."""


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap ``FastAPI.__call__``, which is outside of FastAPI's telemetry."""
    # What fails on the path of a request is counted for one hook, whichever class the application has.
    replace(worker, ASGI_HOOK, module.FastAPI, "__call__", lambda original: recording(worker, quiet(worker, original)))
    worker.hooks.on_failure(ASGI_HOOK, lambda: worker.hooks.set(hook, FAILED))


def quiet(worker: Worker, call: Method) -> Method:
    """Mark requests for FastAPI as not to be traced, as long as it has no provider to trace to, or spans are ours.

    Finding out about the provider takes FastAPI about 7 µs per request; here it is asked once per frame.
    """
    owns = worker.settings.traces is Policy.OWN
    follows = worker.settings.traces is not Policy.OFF
    asked_at, asked_of, silent = -1, None, False

    def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:  # noqa: N807 - it becomes one
        nonlocal asked_at, asked_of, silent
        if asked_at != worker.frames or asked_of is not self:
            asked_at, asked_of, silent = worker.frames, self, _is_silent(self)
        if NATIVE not in scope and (silent or (scope.get(RECORDED) and (owns or (follows and _has_span())))):
            scope[NATIVE] = None
        return call(self, scope, receive, send)

    return __call__


def _has_span() -> bool:
    """Whether somebody outside made the SERVER span of this request already, where FastAPI would make another."""
    request = current_request.get()
    return request is not None and request.joined is not None and request.joined.span_id != 0


def _is_silent(app: Any) -> bool:
    """Whether the application has telemetry of its own, and no provider for it."""
    enabled = getattr(getattr(app, "_native_telemetry", None), "enabled", None)
    try:
        return enabled is not None and not enabled()
    except Exception:  # noqa: BLE001 - then FastAPI shall find out, and say so, itself
        return False
