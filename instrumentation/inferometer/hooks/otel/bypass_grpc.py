"""OpenTelemetry's interceptors of gRPC servers: passed by, where spans are to be ours."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.patching import NotWantedError, UnsupportedError, replace
from inferometer.recorder.worker import Worker
from inferometer.settings import Policy

_CLASSES: Final = ("OpenTelemetryServerInterceptor", "OpenTelemetryAioServerInterceptor")


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap ``intercept_service`` of the interceptor that *module* has.

    Raises:
        NotWantedError: spans are not to be ours alone.
        UnsupportedError: it has none.
    """
    if worker.settings.traces is not Policy.OWN:
        raise NotWantedError
    found = [vars(module)[name] for name in _CLASSES if name in vars(module)]
    if not found:
        raise UnsupportedError(f"{module.__name__} has none of {', '.join(_CLASSES)}")
    for interceptor in found:
        replace(worker, hook, interceptor, "intercept_service", _passed_by)


def _passed_by(original: Callable[..., Any]) -> Callable[..., Any]:  # noqa: ARG001 - it is what is passed by
    def intercept_service(self: Any, continuation: Callable[[Any], Any], details: Any) -> Any:  # noqa: ARG001 - it has the original's parameters
        # Of the asynchronous one this is the awaitable that its caller awaits.
        return continuation(details)

    return intercept_service
