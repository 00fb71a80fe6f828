"""OpenTelemetry's SDK: spans that are started inside our requests, and how long the outgoing ones took."""

import time
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import NonRecordingSpan, SpanKind

from inferometer.catalog.stages import Kind, Stage
from inferometer.hooks.otel.api import tracing
from inferometer.hooks.patching import replace
from inferometer.recorder.hook_states import ACTIVE
from inferometer.recorder.request import OpenRequest, current
from inferometer.recorder.worker import Worker

if TYPE_CHECKING:
    from inferometer.hooks.otel.tracing import OpenTelemetryTracing

now = time.monotonic_ns
_INTERNAL: Final = SpanKind.INTERNAL
_CLIENT: Final = SpanKind.CLIENT
_OWNER: Final = "_inferometer_request"
"""Attribute of a CLIENT span: the request that it belongs to."""
_INSTRUMENTATION: Final = "opentelemetry.instrumentation."
_OUTSIDE: Final = {"aiohttp": "aiohttp", "requests": "urllib3", "urllib3": "urllib3"}
"""Libraries whose span begins before our attempt, never inside it: library -> our hook."""


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap ``Tracer.start_span`` and ``Span.end``, of all providers there are and will be."""
    decides = tracing(worker)
    replace(worker, hook, module.Tracer, "start_span", lambda original: _start(worker, hook, decides, original))
    replace(worker, hook, module.Span, "end", lambda original: _end(worker, hook, original))


def _start(
    worker: Worker, hook: str, decides: "OpenTelemetryTracing", original: Callable[..., Any]
) -> Callable[..., Any]:
    def start_span(self: Any, name: str, context: Any = None, kind: Any = _INTERNAL, *args: Any, **kwargs: Any) -> Any:
        request = current()
        if request is None:
            return original(self, name, context, kind, *args, **kwargs)
        try:
            context = decides.starting(request, self, kind, context)
        except Exception as error:  # noqa: BLE001 - the edge: the user's span is the user's
            worker.hooks.failed(hook, error)
        span = original(self, name, context, kind, *args, **kwargs)
        try:
            if kind is not _INTERNAL:
                decides.started(request, self, kind, span)
                if kind is _CLIENT:
                    return _owned(worker, request, self, span)
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)
        return span

    return start_span


def _owned(worker: Worker, request: OpenRequest, tracer: Any, span: Any) -> Any:
    """The span, whose end will be an interval of the request, unless a hook of ours records that call itself."""
    if _recorded(worker, request, tracer, span.get_span_context().span_id):
        return span
    if type(span) is NonRecordingSpan:
        return Timed(span, request)
    setattr(span, _OWNER, request)
    return span


def _recorded(worker: Worker, request: OpenRequest, tracer: Any, span_id: int) -> bool:
    """Whether a hook of ours records the call; then the span's id is the call's, because that is what goes out."""
    scope = getattr(getattr(tracer, "_instrumentation_scope", None), "name", "")
    library = scope.removeprefix(_INSTRUMENTATION).removesuffix("_client")
    hook = _OUTSIDE.get(library, library)
    if library == scope or ACTIVE not in (worker.hooks.status_of(hook), worker.hooks.status_of(f"{hook}.aio")):
        return False
    if library in _OUTSIDE:
        # An attempt that is under way is another one, side by side.
        return True
    mark = request.calls[-1] if request.calls else None
    # Theirs is inside ours where an attempt has just begun; else ours is inside, and will find their traceparent.
    if mark is not None and not mark.headers and not mark.end:
        mark.call_id = span_id
        mark.foreign = True
    return True


class Timed(NonRecordingSpan):
    """A CLIENT span that was sampled out: metrics are of all requests, so its time is taken all the same."""

    def __init__(self, span: NonRecordingSpan, request: OpenRequest) -> None:
        super().__init__(span.get_span_context())
        self._request: OpenRequest | None = request
        self._start = now()

    def end(self, end_time: int | None = None) -> None:  # noqa: ARG002 - as the class above has it
        """It has ended now."""
        request, self._request = self._request, None
        if request is not None:
            request.add_interval(self._start, now(), Stage.REMOTE, Kind.DEPENDENCY)


def _end(worker: Worker, hook: str, original: Callable[..., None]) -> Callable[..., None]:
    def end(self: Any, end_time: int | None = None) -> None:
        request = self.__dict__.pop(_OWNER, None)
        original(self, end_time)
        if request is not None:
            try:
                _take(request, self)
            except Exception as error:  # noqa: BLE001 - the edge
                worker.hooks.failed(hook, error)

    return end


def _take(request: OpenRequest, span: Any) -> None:
    offset = time.time_ns() - now()
    start, end = span.start_time - offset, span.end_time - offset
    # A call of ours inside it says more about the same time.
    if not any(start <= mark.start <= end for mark in request.calls or ()):
        request.add_interval(start, end, Stage.REMOTE, Kind.DEPENDENCY)
