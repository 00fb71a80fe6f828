"""OpenTelemetry's ASGI middleware: passed by for requests that are recorded, where spans are to be ours."""

from types import ModuleType
from typing import Any

from inferometer.hooks.patching import NotWantedError, replace
from inferometer.recorder.asgi import RECORDED, Method
from inferometer.recorder.protocol import Receive, Scope, Send
from inferometer.recorder.worker import Worker
from inferometer.settings import Policy


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap ``OpenTelemetryMiddleware.__call__``.

    Raises:
        NotWantedError: spans are not to be ours alone.
    """
    if worker.settings.traces is not Policy.OWN:
        raise NotWantedError
    replace(worker, hook, module.OpenTelemetryMiddleware, "__call__", _passed_by)


def _passed_by(original: Method) -> Method:
    async def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: N807 - it becomes one
        if scope.get(RECORDED):
            await self.app(scope, receive, send)
        else:
            await original(self, scope, receive, send)

    return __call__
