"""Ray Serve's replicas: each request that one gets is a hop, over HTTP or from a handle.

A request waits for a free place in the replica (`queue`/`engine`), then for the user's code (`ray_serve_code`). A
deployment is the model.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any, Final

from inferometer.catalog.stages import Kind, Stage
from inferometer.hooks import ray_serve_code
from inferometer.hooks.patching import replace, require
from inferometer.hooks.ray_serve import caller_of
from inferometer.hooks.ray_serve_requests import HandleRequest, HttpRequest
from inferometer.recorder.asgi import RECORDED, flushed
from inferometer.recorder.headers import TRACEPARENT, TRACESTATE
from inferometer.recorder.protocol import Scope
from inferometer.recorder.request import OpenRequest, current, current_request
from inferometer.recorder.worker import Worker

now = time.monotonic_ns
_scope: Final[ContextVar[Scope | None]] = ContextVar("inferometer_ray_scope", default=None)
"""ASGI scope of the request that is being unpacked; its metadata is no place for it, as Ray pickles that again."""
_TRACE: Final = frozenset({TRACEPARENT.encode(), TRACESTATE.encode()})


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the way of a request through a replica.

    Raises:
        UnsupportedError: in this Ray it is another one.
    """
    replica, code = module.Replica, module.UserCallableWrapper
    require(replica, "initialize", "perform_graceful_shutdown", "_unpack_proxy_args", "_wrap_request", "_start_request")
    ray_serve_code.check(code)
    replace(worker, hook, replica, "initialize", lambda original: _started(worker, hook, original))
    replace(worker, hook, replica, "perform_graceful_shutdown", lambda original: _ended(worker, hook, original))
    replace(worker, hook, replica, "_unpack_proxy_args", lambda original: _unpacked(worker, hook, original))
    replace(worker, hook, replica, "_wrap_request", lambda original: _wrapped(worker, hook, original))
    replace(worker, hook, replica, "_start_request", _queued)
    if hasattr(replica, "_direct_ingress_asgi"):
        require(replica, "_can_accept_request")
        replace(worker, hook, replica, "_direct_ingress_asgi", _direct)
        replace(worker, hook, replica, "_can_accept_request", lambda original: _accepted(worker, hook, original))
    ray_serve_code.install(worker, code, hook)


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
