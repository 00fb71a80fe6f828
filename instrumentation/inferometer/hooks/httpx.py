"""httpx: each attempt carries traceparent on, and the callee's Server-Timing says how long it was at work.

An attempt is one ``_send_single_request``: redirects and authentication make several of one ``send``.
"""

import time
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.patching import UnsupportedError, replace
from inferometer.record.model import Flag
from inferometer.recorder.calls import CallMark
from inferometer.recorder.headers import (
    SERVER_TIMING,
    TRACEPARENT,
    TRACESTATE,
    format_traceparent,
    outgoing_state,
    parse_server_timing,
    parse_traceparent,
)
from inferometer.recorder.request import OpenRequest, current
from inferometer.recorder.worker import Worker

now = time.monotonic_ns
_SENT: Final = "send_request_headers.started"
"""End of httpcore's trace event at which a connection is there and the request goes out."""


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the sending of one request, of both clients.

    Raises:
        UnsupportedError: this httpx sends in another way.
    """
    for client in (module.Client, module.AsyncClient):
        if not callable(vars(client).get("_send_single_request")):
            raise UnsupportedError(f"httpx {module.__version__} has no {client.__name__}._send_single_request")
    name = "_send_single_request"
    replace(worker, hook, module.Client, name, lambda original: _sync(worker, hook, module, original))
    replace(worker, hook, module.AsyncClient, name, lambda original: _async(worker, hook, module, original))


def _sync(worker: Worker, hook: str, httpx: ModuleType, original: Callable[..., Any]) -> Callable[..., Any]:
    class Stream(httpx.SyncByteStream):  # type: ignore[misc, name-defined]  # httpx is imported by its user, not by us
        """A body whose end ends the call."""

        def __init__(self, inner: Any, mark: CallMark) -> None:
            self._inner = inner
            self._mark = mark

        def __iter__(self) -> Any:
            yield from self._inner

        def close(self) -> None:
            self._inner.close()
            self._mark.end = self._mark.end or now()

    def _send_single_request(self: Any, request: Any) -> Any:
        mark = begin(worker, hook, request)
        if mark is None:
            return original(self, request)
        listen(worker, hook, mark, request, _trace)
        try:
            response = original(self, request)
        except BaseException:
            mark.end = now()
            raise
        answered(worker, hook, mark, response, Stream)
        return response

    return _send_single_request


def _async(
    worker: Worker, hook: str, httpx: ModuleType, original: Callable[..., Awaitable[Any]]
) -> Callable[..., Awaitable[Any]]:
    class Stream(httpx.AsyncByteStream):  # type: ignore[misc, name-defined]  # httpx is imported by its user, not by us
        """A body whose end ends the call."""

        def __init__(self, inner: Any, mark: CallMark) -> None:
            self._inner = inner
            self._mark = mark

        async def __aiter__(self) -> Any:
            async for part in self._inner:
                yield part

        async def aclose(self) -> None:
            await self._inner.aclose()
            self._mark.end = self._mark.end or now()

    async def _send_single_request(self: Any, request: Any) -> Any:
        mark = begin(worker, hook, request)
        if mark is None:
            return await original(self, request)
        listen(worker, hook, mark, request, _async_trace)
        try:
            response = await original(self, request)
        except BaseException:
            mark.end = now()
            raise
        answered(worker, hook, mark, response, Stream)
        return response

    return _send_single_request


def begin(worker: Worker, hook: str, request: Any) -> CallMark | None:
    """An attempt of the current request begins: its id goes out in traceparent. None outside a request."""
    try:
        caller = current()
        return None if caller is None else _begin(worker, caller, request)
    except Exception as error:  # noqa: BLE001 - the edge: the call goes out without us
        worker.hooks.failed(hook, error)
        return None


def _begin(worker: Worker, caller: OpenRequest, request: Any) -> CallMark | None:
    url, headers = request.url, request.headers
    target = url.host if url.port is None else f"{url.host}:{url.port}"
    # Somebody else traces this call already: its span is the callee's parent, and its id is that of our attempt.
    given = parse_traceparent(headers.get(TRACEPARENT, "").encode("latin-1", "replace"))
    call_id = worker.bits(64) if given is None else given[2]
    strings = worker.shapes.string
    mark = CallMark(call_id, strings(target), strings(request.method), attempt=_attempt(caller, strings(target)))
    if not caller.add_call(mark):
        return None
    if given is None:
        sampled = bool(caller.flags & Flag.SAMPLED)
        headers[TRACEPARENT] = format_traceparent(caller.trace_hi, caller.trace_lo, call_id, sampled=sampled)
    headers[TRACESTATE] = outgoing_state(headers.get(TRACESTATE, "").encode("latin-1", "replace") or caller.state)
    return mark


def _attempt(caller: OpenRequest, target: int) -> int:
    """1 for the first; one more for each call to the same place that failed just before."""
    attempt = 1
    for earlier in reversed(caller.calls or ()):
        if earlier.target == target and earlier.end and (not earlier.status or earlier.status >= 500):  # noqa: PLR2004
            return earlier.attempt + 1
        if earlier.target == target:
            break
    return attempt


def listen(worker: Worker, hook: str, mark: CallMark, request: Any, trace: Callable[[CallMark, Any], Any]) -> None:
    """Hear from the transport when the request goes out; who listens already still hears everything."""
    try:
        extensions = request.extensions
        request.extensions = {**extensions, "trace": trace(mark, extensions.get("trace"))}
    except Exception as error:  # noqa: BLE001 - the edge: the call goes out, only its wait in the pool is not known
        worker.hooks.failed(hook, error)


def answered(worker: Worker, hook: str, mark: CallMark, response: Any, stream: Callable[[Any, CallMark], Any]) -> None:
    """The answer's head is there; its body's end will end the call."""
    try:
        mark.headers = now()
        mark.status = response.status_code
        mark.server_ns = parse_server_timing(response.headers.get(SERVER_TIMING, ""))
        if response.is_closed:
            mark.end = mark.headers
        else:
            response.stream = stream(response.stream, mark)
    except Exception as error:  # noqa: BLE001 - the edge: the answer is the caller's, with or without us
        worker.hooks.failed(hook, error)


def _trace(mark: CallMark, other: Callable[..., Any] | None) -> Callable[[str, Any], None]:
    def trace(event: str, info: Any) -> None:
        if event.endswith(_SENT):
            mark.sent = now()
        if other is not None:
            other(event, info)

    return trace


def _async_trace(mark: CallMark, other: Callable[..., Any] | None) -> Callable[[str, Any], Awaitable[None]]:
    async def trace(event: str, info: Any) -> None:
        if event.endswith(_SENT):
            mark.sent = now()
        if other is not None:
            await other(event, info)

    return trace
