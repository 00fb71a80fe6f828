"""httpx: each attempt carries our trace on, and the callee's Server-Timing says how long it was at work.

An attempt is one ``_send_single_request``: redirects and authentication make several of one ``send``. A connection that
the transport had to try again is an attempt, too. The body of the answer belongs to its attempt until it is closed.
"""

from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, Final

from inferometer.catalog.stages import Outcome
from inferometer.hooks.outgoing import answered, begin, connected, ended, failed
from inferometer.hooks.patching import UnsupportedError, replace
from inferometer.recorder.calls import CallMark
from inferometer.recorder.request import current
from inferometer.recorder.worker import Worker

_CONNECTED: Final = (
    "connect_tcp.started",
    "connect_unix_socket.started",
    "send_request_headers.started",
)
"""Ends of httpcore's events: the pool gave the attempt a connection, or the right to make one."""
_RETRIED: Final = "connection.retry.started"
_NAME: Final = "_send_single_request"

Heard = Callable[[str], None]
"""What is told the name of each event of the transport."""


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the sending of one request, of both clients.

    Raises:
        UnsupportedError: this httpx sends in another way.
    """
    for client in (module.Client, module.AsyncClient):
        if not callable(vars(client).get(_NAME)):
            raise UnsupportedError(f"httpx {module.__version__} has no {client.__name__}.{_NAME}")
    replace(worker, hook, module.Client, _NAME, lambda original: _sync(worker, hook, module, original))
    replace(worker, hook, module.AsyncClient, _NAME, lambda original: _async(worker, hook, module, original))


def _sync(worker: Worker, hook: str, httpx: ModuleType, original: Callable[..., Any]) -> Callable[..., Any]:
    class Stream(httpx.SyncByteStream):  # type: ignore[misc, name-defined]  # httpx is imported by its user, not by us
        """A body whose end ends the call."""

        def __init__(self, inner: Any, mark: CallMark) -> None:
            self._inner = inner
            self._mark = mark

        def __iter__(self) -> Any:
            yield from self._inner

        def close(self) -> None:
            try:
                self._inner.close()
            finally:
                ended(self._mark)

    def _send_single_request(self: Any, request: Any) -> Any:
        mark = _begin(worker, hook, request, _trace)
        if mark is None:
            return original(self, request)
        try:
            response = original(self, request)
        except BaseException as error:
            failed(mark, error, waited=_pools(self, request, httpx.HTTPTransport))
            raise
        _answered(worker, hook, mark, response, Stream)
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
            try:
                await self._inner.aclose()
            finally:
                ended(self._mark)

    async def _send_single_request(self: Any, request: Any) -> Any:
        mark = _begin(worker, hook, request, _async_trace)
        if mark is None:
            return await original(self, request)
        try:
            response = await original(self, request)
        except BaseException as error:
            failed(mark, error, waited=_pools(self, request, httpx.AsyncHTTPTransport))
            raise
        _answered(worker, hook, mark, response, Stream)
        return response

    return _send_single_request


def _begin(worker: Worker, hook: str, request: Any, trace: Callable[[Heard, Any], Any]) -> CallMark | None:
    """An attempt of the current request begins. None outside a request."""
    if current() is None:
        return None
    mark = None
    try:
        url = request.url
        target = url.host if url.port is None else f"{url.host}:{url.port}"
        begun = begin(worker, hook, target, request.method, request.headers.get)
        if begun is None:
            return None
        mark, headers = begun
        request.headers.update(headers)
        # Who listens to the transport already still hears everything.
        extensions = request.extensions
        request.extensions = {**extensions, "trace": trace(_heard(worker, hook, mark), extensions.get("trace"))}
    except Exception as error:  # noqa: BLE001 - the edge: the call goes out, as far as we got
        worker.hooks.failed(hook, error)
    return mark


def _heard(worker: Worker, hook: str, mark: CallMark) -> Heard:
    def heard(event: str) -> None:
        if event.endswith(_CONNECTED):
            connected(mark)
        elif event == _RETRIED:
            try:
                _retried(worker, mark)
            except Exception as error:  # noqa: BLE001 - the edge
                worker.hooks.failed(hook, error)

    return heard


def _retried(worker: Worker, mark: CallMark) -> None:
    """No connection came about: that attempt is over, and *mark* stands for the next one, whose id goes out."""
    lost = CallMark(worker.bits(64), mark.target, mark.method, mark.attempt)
    again = lost.start
    lost.start, lost.sent, lost.end = mark.start, mark.sent, again
    lost.outcome = Outcome.SERVER_ERROR
    caller = current()
    if caller is not None and caller.add_call(lost):
        mark.start, mark.sent = again, 0
        mark.attempt = lost.attempt + 1


def _pools(client: Any, request: Any, pooled: type) -> bool:
    """Whether the request's transport has a pool that says when it is left."""
    try:
        return isinstance(client._transport_for_url(request.url), pooled)  # noqa: SLF001 - only to say why it failed
    except Exception:  # noqa: BLE001 - then all of the attempt is remote
        return False


def _answered(worker: Worker, hook: str, mark: CallMark, response: Any, stream: Callable[[Any, CallMark], Any]) -> None:
    """The answer's head is there; its body's end will end the call."""
    try:
        answered(worker, hook, mark, response.status_code, response.headers)
        if response.is_closed:
            mark.end = mark.headers
        else:
            response.stream = stream(response.stream, mark)
    except Exception as error:  # noqa: BLE001 - the edge: the answer is the caller's, with or without us
        worker.hooks.failed(hook, error)


def _trace(heard: Heard, other: Callable[..., Any] | None) -> Callable[[str, Any], None]:
    def trace(event: str, info: Any) -> None:
        heard(event)
        if other is not None:
            other(event, info)

    return trace


def _async_trace(heard: Heard, other: Callable[..., Any] | None) -> Callable[[str, Any], Awaitable[None]]:
    async def trace(event: str, info: Any) -> None:
        heard(event)
        if other is not None:
            await other(event, info)

    return trace
