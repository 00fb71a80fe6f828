"""OpenTelemetry's instrumentation of Flask: passed by for requests that are recorded, where spans are to be ours.

It hangs in functions of the application that were made when it was instrumented, maybe before us; what makes their span
is looked up when a request comes. They get one that records nothing and stands for ours.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from opentelemetry import trace

from inferometer.hooks.patching import NotWantedError, replace
from inferometer.recorder.request import current
from inferometer.recorder.worker import Worker
from inferometer.settings import Policy


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the making of its span.

    Raises:
        NotWantedError: spans are not to be ours alone.
        UnsupportedError: it makes its span in another way; then it is a child of ours.
    """
    if worker.settings.traces is not Policy.OWN:
        raise NotWantedError
    replace(worker, hook, module, "_start_internal_or_server_span", _passed_by)


def _passed_by(original: Callable[..., Any]) -> Callable[..., Any]:
    def _start_internal_or_server_span(*args: Any, **kwargs: Any) -> Any:
        if current() is None:
            return original(*args, **kwargs)
        return trace.NonRecordingSpan(trace.get_current_span().get_span_context()), None

    return _start_internal_or_server_span
