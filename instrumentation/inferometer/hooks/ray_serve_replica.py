"""Ray Serve's replicas: each request that one gets is a hop, over HTTP or from a handle.

A request waits for a free place in the replica (`queue`/`engine`), then for the event loop of the user's code
(`queue`/`event_loop`), a synchronous method also for a thread. A deployment is the model.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isfunction, isgeneratorfunction, ismethod
from types import ModuleType
from typing import Any, Final

from inferometer.catalog.stages import Kind, Stage
from inferometer.hooks.patching import replace, require
from inferometer.hooks.ray_serve import caller_of
from inferometer.hooks.ray_serve_requests import AttachedReceive, HandleRequest, HttpRequest
from inferometer.recorder.asgi import RECORDED, flushed
from inferometer.recorder.headers import TRACEPARENT, TRACESTATE
from inferometer.recorder.protocol import Receive, Scope, Send
from inferometer.recorder.request import OpenRequest, current, current_request
from inferometer.recorder.worker import Worker

now = time.monotonic_ns
_scope: Final[ContextVar[Scope | None]] = ContextVar("inferometer_ray_scope", default=None)
"""ASGI scope of the request that is being unpacked; its metadata is no place for it, as Ray pickles that again."""
_TRACE: Final = frozenset({TRACEPARENT.encode(), TRACESTATE.encode()})
_Yields = Callable[..., AsyncIterator[Any]]


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the way of a request through a replica.

    Raises:
        UnsupportedError: in this Ray it is another one.
    """
    replica, code = module.Replica, module.UserCallableWrapper
    require(replica, "initialize", "perform_graceful_shutdown", "_unpack_proxy_args", "_wrap_request", "_start_request")
    require(code, "_call_http_entrypoint", "call_user_method", "call_user_generator", "_call_func_or_gen")
    replace(worker, hook, replica, "initialize", lambda original: _started(worker, hook, original))
    replace(worker, hook, replica, "perform_graceful_shutdown", lambda original: _ended(worker, hook, original))
    replace(worker, hook, replica, "_unpack_proxy_args", lambda original: _unpacked(worker, hook, original))
    replace(worker, hook, replica, "_wrap_request", lambda original: _wrapped(worker, hook, original))
    replace(worker, hook, replica, "_start_request", _queued)
    if hasattr(replica, "_direct_ingress_asgi"):
        require(replica, "_can_accept_request")
        replace(worker, hook, replica, "_direct_ingress_asgi", _direct)
        replace(worker, hook, replica, "_can_accept_request", lambda original: _accepted(worker, hook, original))
    replace(worker, hook, code, "_call_http_entrypoint", _attached)
    replace(worker, hook, code, "call_user_method", _method)
    replace(worker, hook, code, "call_user_generator", _generator)
    replace(worker, hook, code, "_call_func_or_gen", _called)


def _started(worker: Worker, hook: str, original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def initialize(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            worker.name_service(self._deployment_id.app_name)
            worker.start(ready=False)
            worker.cold_start.starting()
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)
        result = await original(self, *args, **kwargs)
        worker.cold_start.ready()
        return result

    return initialize


def _ended(worker: Worker, hook: str, original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def perform_graceful_shutdown(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = await original(self, *args, **kwargs)
        try:
            # Ray kills the process after this.
            await flushed(worker)
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)
        return result

    return perform_graceful_shutdown


def _unpacked(worker: Worker, hook: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def _unpack_proxy_args(self: Any, request_metadata: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, request_metadata, *args, **kwargs)
        try:
            if request_metadata.is_http_request:
                _scope.set(result[0][0])
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)
        return result

    return _unpack_proxy_args


def _direct(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The replica is a server of its own (``RAY_SERVE_ENABLE_DIRECT_INGRESS``): no proxy, no unpacking."""

    def _direct_ingress_asgi(self: Any, scope: Scope, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        # Each request has a task, and so a context, of its own.
        _scope.set(scope)
        return original(self, scope, *args, **kwargs)

    return _direct_ingress_asgi


def _accepted(worker: Worker, hook: str, original: Callable[..., bool]) -> Callable[..., bool]:
    def _can_accept_request(self: Any, metadata: Any, *args: Any, **kwargs: Any) -> bool:
        accepted = original(self, metadata, *args, **kwargs)
        if not accepted and _is_direct(metadata) and metadata.is_http_request:
            # Nobody will open it: it is answered here and now.
            request = _open(worker, hook, self, metadata)
            if request is not None:
                request.rejected = True
                request.status = self.backpressure_config.status_code
                request.close()
        return accepted

    return _can_accept_request


def _is_direct(metadata: Any) -> bool:
    return bool(getattr(metadata, "is_direct_ingress", False))


def _wrapped(
    worker: Worker, hook: str, original: Callable[..., AbstractContextManager[Any]]
) -> Callable[..., AbstractContextManager[Any]]:
    @contextmanager
    def _wrap_request(self: Any, request_metadata: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        with original(self, request_metadata, *args, **kwargs) as callback:
            request = _open(worker, hook, self, request_metadata)
            if request is None:
                yield callback
                return
            token = current_request.set(request)
            try:
                yield callback
            except BaseException as error:
                _failed(request, error)
                raise
            else:
                if isinstance(request, HandleRequest):
                    request.answered()
            finally:
                request.close()
                try:
                    current_request.reset(token)
                except ValueError:
                    # A generator that somebody else closes: that context ends by itself.
                    current_request.set(None)

    return _wrap_request


def _open(worker: Worker, hook: str, replica: Any, metadata: Any) -> HttpRequest | HandleRequest | None:
    try:
        if not worker.started:
            worker.start(ready=False)
        deployment = replica._deployment_id  # noqa: SLF001 - it has no public name
        served = current()
        if served is not None and _is_direct(metadata) and not metadata.is_http_request:
            served.hooked = deployment.name  # by gRPC, whose own hooks have opened it
            return None
        caller = caller_of(metadata)
        request: HttpRequest | HandleRequest
        if metadata.is_http_request:
            scope = _scope.get()
            _scope.set(None)
            if scope is None or scope["type"] != "http" or RECORDED in scope:
                return None
            scope[RECORDED] = True
            if caller is not None:
                others = [(name, value) for name, value in scope["headers"] if name not in _TRACE]
                scope["headers"] = [*others, *caller.headers()]
            request = HttpRequest(worker, scope, metadata.route)
        else:
            request = HandleRequest(worker, caller, f"{deployment.name}.{metadata.call_method}")
        request.hooked = deployment.name
    except Exception as error:  # noqa: BLE001 - the edge: the request goes on without us
        worker.hooks.failed(hook, error)
        return None
    return request


def _failed(request: OpenRequest, error: BaseException) -> None:
    if isinstance(error, GeneratorExit):
        request.left = True  # whoever asked wants no more of the stream
    elif type(error).__name__ == "BackPressureError":
        request.rejected = True  # the queue of a deployment further on is full
    else:
        request.raise_(error)


def _queued(
    original: Callable[..., AbstractAsyncContextManager[Any]],
) -> Callable[..., AbstractAsyncContextManager[Any]]:
    @asynccontextmanager
    async def _start_request(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        begun = now()
        async with original(self, *args, **kwargs) as value:
            request = current()
            if isinstance(request, (HttpRequest, HandleRequest)):
                request.ready = now()
                request.add_interval(begun, request.ready, Stage.QUEUE, Kind.ENGINE)
            yield value

    return _start_request


def _attached(original: Callable[..., Any]) -> Callable[..., Any]:
    def _call_http_entrypoint(self: Any, info: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        request = current()
        if isinstance(request, HttpRequest) and request.scope is scope:
            request.rx, request.tx = receive, send
            return original(self, info, scope, AttachedReceive(request, receive), request.send)
        return original(self, info, scope, receive, send)

    return _call_http_entrypoint


def _method(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def call_user_method(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = await original(self, *args, **kwargs)
        request = current()
        if isinstance(request, HandleRequest):
            request.encode = now()  # from here on Ray serialises what the method returned
        return result

    return call_user_method


def _generator(original: _Yields) -> _Yields:
    async def call_user_generator(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        request = current()
        items = original(self, *args, **kwargs)
        try:
            async for item in items:
                yield item
                if isinstance(request, HandleRequest):
                    request.part()
        finally:
            await items.aclose()  # type: ignore[attr-defined]  # an asynchronous generator

    return call_user_generator


def _called(original: Callable[..., Any]) -> Callable[..., Any]:
    def _call_func_or_gen(self: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        request = current()
        if isinstance(request, (HttpRequest, HandleRequest)) and request.ready:
            begun = now()
            request.add_interval(request.ready, begun, Stage.QUEUE, Kind.EVENT_LOOP)
            request.ready = 0
            called = kwargs.get("args") or (None,)
            # An ASGI application says itself where its endpoint begins.
            if not (isinstance(request, HttpRequest) and called[0] is request.scope):
                request.endpoint = begun
                function = _in_thread(request, function)
        return original(self, function, *args, **kwargs)

    return _call_func_or_gen


def _in_thread(request: OpenRequest, function: Callable[..., Any]) -> Callable[..., Any]:
    """A synchronous method that stamps where it begins; anything else as it is, because Ray looks at its kind."""
    if not (isfunction(function) or ismethod(function)):
        return function
    if iscoroutinefunction(function) or isasyncgenfunction(function) or isgeneratorfunction(function):
        return function

    @wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        request.thread = now()
        return function(*args, **kwargs)

    return called
