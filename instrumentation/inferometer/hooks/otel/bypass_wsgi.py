"""OpenTelemetry's WSGI middleware: passed by for requests that are recorded, where spans are to be ours."""

from types import ModuleType
from typing import Any

from inferometer.hooks.patching import NotWantedError, replace
from inferometer.recorder.asgi import RECORDED
from inferometer.recorder.worker import Worker
from inferometer.recorder.wsgi import Method
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
    def __call__(self: Any, environ: Any, start_response: Any) -> Any:  # noqa: N807 - it becomes one
        if environ.get(RECORDED):
            return self.wsgi(environ, start_response)
        return original(self, environ, start_response)

    return __call__
