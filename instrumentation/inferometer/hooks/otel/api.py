"""OpenTelemetry's API: the moment at which the process gets a TracerProvider, whenever that is."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.patching import replace
from inferometer.recorder.worker import Worker

_INNER: Final = "_set_tracer_provider"
_OUTER: Final = "set_tracer_provider"


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Listen where a provider is set: in the function that all ways go through, whoever imported them from where."""
    inner = callable(vars(module).get(_INNER))
    replace(worker, hook, module, _INNER if inner else _OUTER, lambda original: _listening(worker, hook, original))
    if getattr(module, "_TRACER_PROVIDER", None) is not None:
        provided(worker, module.get_tracer_provider())


def provided(worker: Worker, provider: Any) -> None:
    """The process has a global provider now."""
    tracing(worker).provided(provider)
    worker.ask_again()


def tracing(worker: Worker) -> Any:
    """What decides for OpenTelemetry in this process; made when it is first at work here."""
    from inferometer.hooks.otel.tracing import OpenTelemetryTracing  # noqa: PLC0415 - most processes have no provider

    if not isinstance(worker.tracing, OpenTelemetryTracing):
        worker.tracing = OpenTelemetryTracing(worker)
    return worker.tracing


def _listening(worker: Worker, hook: str, original: Callable[..., None]) -> Callable[..., None]:
    def set_tracer_provider(*args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        try:
            from opentelemetry import trace  # noqa: PLC0415 - it is imported already, it calls us

            # The first one stays, whatever was asked for now.
            provided(worker, trace.get_tracer_provider())
        except Exception as error:  # noqa: BLE001 - the edge: a program sets up its own telemetry
            worker.hooks.failed(hook, error)

    return set_tracer_provider
