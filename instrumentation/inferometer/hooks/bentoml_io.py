"""BentoML's descriptors of input and output: the time of decoding and encoding."""

import inspect
import time
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

from inferometer.catalog.stages import Stage
from inferometer.hooks.patching import replace_classmethod
from inferometer.recorder.request import current
from inferometer.recorder.worker import Worker

now = time.monotonic_ns


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the two class methods that every descriptor inherits.

    Raises:
        UnsupportedError: descriptors have no such methods.
    """
    replace_classmethod(worker, hook, module.IOMixin, "from_http_request", _decoded)
    replace_classmethod(worker, hook, module.IOMixin, "to_http_response", _encoded)


def _decoded(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def from_http_request(cls: type, *args: Any, **kwargs: Any) -> Any:
        request = current()
        if request is None:
            return await original(cls, *args, **kwargs)
        begun = now()
        try:
            return await original(cls, *args, **kwargs)
        finally:
            # The body is read inside; until it is there the network works, not the decoder.
            request.add_interval(max(begun, request.body_end), now(), Stage.DESERIALIZE)

    return from_http_request


def _encoded(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    def to_http_response(cls: type, value: Any, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        request = current()
        # A generator makes its first item inside, which is the endpoint's work.
        if request is not None and not (inspect.isasyncgen(value) or inspect.isgenerator(value)):
            request.encode = now()
        return original(cls, value, *args, **kwargs)

    return to_http_response
