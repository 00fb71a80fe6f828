"""Ray Serve's call of the user's code in a replica.

A request waits for the event loop of that code (`queue`/`event_loop`), a synchronous method also for a thread.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isfunction, isgeneratorfunction, ismethod
from typing import Any

from inferometer.catalog.stages import Kind, Stage
from inferometer.hooks.patching import replace, require
from inferometer.hooks.ray_serve_requests import AttachedReceive, HandleRequest, HttpRequest
from inferometer.recorder.protocol import Receive, Scope, Send
from inferometer.recorder.request import OpenRequest, current
from inferometer.recorder.worker import Worker

now = time.monotonic_ns
_Yields = Callable[..., AsyncIterator[Any]]


def check(code: type) -> None:
    """Refuse a Ray that calls the user's code in another way.

    Raises:
        UnsupportedError: it lacks a method that is wrapped.
    """
    require(code, "_call_http_entrypoint", "call_user_method", "call_user_generator", "_call_func_or_gen")


def install(worker: Worker, code: type, hook: str) -> None:
    """Wrap how the user's code is called."""
    replace(worker, hook, code, "_call_http_entrypoint", _attached)
    replace(worker, hook, code, "call_user_method", _method)
    replace(worker, hook, code, "call_user_generator", _generator)
    replace(worker, hook, code, "_call_func_or_gen", _called)


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
