"""Django: every application's requests, WSGI and ASGI, by the class of its handler; the route that its resolver found.

All between the server and the view, middleware included, is the handler's.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.patching import replace
from inferometer.recorder import asgi, wsgi
from inferometer.recorder.asgi_request import AsgiRequest
from inferometer.recorder.hook_states import FAILED
from inferometer.recorder.request import OpenRequest, current_request
from inferometer.recorder.worker import ASGI_HOOK, Worker
from inferometer.recorder.wsgi_request import WSGI_HOOK, WsgiRequest

current = current_request.get
_UID: Final = "inferometer"


@dataclass(frozen=True, slots=True)
class Route:
    """Stands in a scope where other frameworks leave their route."""

    path: str


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap what the module has: the handler of WSGI, that of ASGI, or what both are made of."""
    if "WSGIHandler" in vars(module):
        replace(worker, WSGI_HOOK, module.WSGIHandler, "__call__", lambda original: wsgi.recording(worker, original))
        worker.hooks.on_failure(WSGI_HOOK, lambda: worker.hooks.set(hook, FAILED))
    elif "ASGIHandler" in vars(module):
        replace(worker, ASGI_HOOK, module.ASGIHandler, "__call__", lambda original: asgi.recording(worker, original))
        worker.hooks.on_failure(ASGI_HOOK, lambda: worker.hooks.set(hook, FAILED))
    else:
        replace(worker, hook, module.BaseHandler, "resolve_request", lambda original: _resolve(worker, hook, original))
        raised = import_module("django.core.signals").got_request_exception
        raised.connect(_raised, weak=False, dispatch_uid=_UID)
        worker.hooks.on_failure(hook, lambda: raised.disconnect(dispatch_uid=_UID))


def _resolve(worker: Worker, hook: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def resolve_request(*args: Any, **kwargs: Any) -> Any:
        match = original(*args, **kwargs)
        try:
            _routed(current(), match.route)
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)
        return match

    return resolve_request


def _routed(request: OpenRequest | None, template: str) -> None:
    # Django writes templates without the first slash.
    if isinstance(request, WsgiRequest):
        request.routed(f"/{template}")
    elif isinstance(request, AsgiRequest) and request.scope is not None:
        request.scope["route"] = Route(f"/{template}")


def _raised(**_: Any) -> None:
    """Hear from Django's signal of an exception that becomes an answer of 500, while it is being handled."""
    request, error = current(), sys.exception()
    if request is not None and error is not None:
        request.raise_(error)
