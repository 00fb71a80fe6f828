"""LitServe's API servers: requests go on to an inference worker, and what happened there comes back with the answer.

The requests themselves are FastAPI's. An answer's message has a place for the number of its worker, which is read for
one kind of message only; in all others the worker's hook puts there what it recorded (`Hearing` takes it out again).
"""

import time
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, Final

from inferometer.catalog.stages import Stage
from inferometer.hooks.patching import replace, require
from inferometer.recorder.distant import Told, given_up, take_over
from inferometer.recorder.request import OpenRequest, current
from inferometer.recorder.worker import Worker

now = time.monotonic_ns
KEY: Final = "inferometer"
_REQUEST: Final = "inferometer_request"


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap where a request waits for its answer, and where answers arrive.

    Raises:
        UnsupportedError: this LitServe hands requests on in another way.
    """
    require(module, "response_queue_to_buffer", "ResponseBufferItem")
    require(module.ResponseBufferItem, "__init__")
    require(module.BaseRequestHandler, "_prepare_request")
    replace(worker, hook, module.ResponseBufferItem, "__init__", lambda original: _waits(worker, hook, original))
    replace(worker, hook, module, "response_queue_to_buffer", lambda original: _hears(worker, hook, original))
    replace(worker, hook, module.BaseRequestHandler, "_prepare_request", _decoded)


def _waits(worker: Worker, hook: str, original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it becomes that method
        original(self, *args, **kwargs)
        try:
            vars(self)[_REQUEST] = current()
        except Exception as error:  # noqa: BLE001 - the edge: the request waits without us
            worker.hooks.failed(hook, error)

    return __init__


def _hears(worker: Worker, hook: str, original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    def response_queue_to_buffer(transport: Any, response_buffer: Any, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        return original(Hearing(worker, hook, transport, response_buffer), response_buffer, *args, **kwargs)

    return response_queue_to_buffer


class Hearing:
    """A transport whose messages lose what the worker's hook has put in."""

    def __init__(self, worker: Worker, hook: str, transport: Any, waiting: Any) -> None:
        self._worker = worker
        self._hook = hook
        self._transport = transport
        self._waiting = waiting
        self._off = False
        """After an error; what the workers put in harms nobody."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    async def areceive(self, *args: Any, **kwargs: Any) -> Any:
        """The next message, as LitServe made it."""
        message = await self._transport.areceive(*args, **kwargs)
        if self._off:
            return message
        try:
            return self._heard(message)
        except Exception as error:  # noqa: BLE001 - the edge: the answer is the request's, with or without us
            self._off = True
            self._worker.hooks.failed(self._hook, error)
            return message

    def _heard(self, message: Any) -> Any:
        if not isinstance(message, tuple):
            return message
        uid, (*answer, told) = message
        if not (isinstance(told, tuple) and told[:1] == (KEY,)):
            return message
        _, number, part = told
        self._take(getattr(self._waiting.get(uid), _REQUEST, None), part)
        return uid, (*answer, number)

    def _take(self, request: OpenRequest | None, part: Told) -> None:
        if request is None:
            given_up(self._worker, part)
        else:
            take_over(request, part)


def _decoded(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def _prepare_request(self: Any, *args: Any, **kwargs: Any) -> Any:
        begun, request = now(), current()
        result = await original(self, *args, **kwargs)
        if request is not None:
            # The body is read inside; until it is there the network works.
            request.add_interval(max(begun, request.body_end), now(), Stage.DESERIALIZE)
        return result

    return _prepare_request
