"""LitServe's inference workers: the queue, decoding, the model, encoding, by the loop's own events."""

import time
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.litserve import KEY
from inferometer.hooks.litserve_parts import Parts
from inferometer.hooks.patching import override, replace, require
from inferometer.recorder.worker import Worker

now = time.monotonic_ns
_LOOPS: Final = ("SingleLoop", "BatchedLoop", "StreamingLoop", "BatchedStreamingLoop", "LitLoop")
_ANSWER: Final = ("transport", "response_queue_id", "uid", "response_data", "status", "response_type")
"""Parameters of ``put_response``."""


class _Process:
    """What the hooks of one inference worker share: it has one loop."""

    def __init__(self, worker: Worker, hook: str) -> None:
        self.worker = worker
        self.hook = hook
        self.parts: Parts | None = None

    def guarded(self, act: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The edge: what goes wrong takes the hook out, and the loop runs on without us."""
        try:
            return act(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the edge
            self.parts = None
            self.worker.hooks.failed(self.hook, error)
            return None


class _Queue:
    """The request queue, which tells what is taken from it."""

    def __init__(self, process: _Process, queue: Any) -> None:
        self._process = process
        self._queue = queue

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """The next request."""
        return self._taken(self._queue.get(*args, **kwargs))

    def get_nowait(self) -> Any:
        """The next request, if there is one."""
        return self._taken(self._queue.get_nowait())

    def _taken(self, item: Any) -> Any:
        parts = self._process.parts
        if parts is not None:
            self._process.guarded(parts.take, item)
        return item


class _Telling:
    """The transport of one message, which carries what was recorded in the place of the worker's number."""

    def __init__(self, transport: Any, told: Any) -> None:
        self._transport = transport
        self._told = told

    def send(self, item: Any, **kwargs: Any) -> Any:
        """Send it."""
        uid, (*answer, number) = item
        return self._transport.send((uid, (*answer, (KEY, number, self._told))), **kwargs)


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the loops' entry, their events, and where answers go out.

    Raises:
        UnsupportedError: this LitServe has other loops.
    """
    require(module, "CallbackRunner", *_LOOPS)
    require(module.CallbackRunner, "trigger_event")
    require(module.LitLoop, "put_response")
    process = _Process(worker, hook)
    for name in _LOOPS:
        override(worker, hook, getattr(module, name), "__call__", lambda original: _entered(process, original))
    for loop, name in (
        (module.SingleLoop, "_process_single_request"),
        (module.StreamingLoop, "_process_streaming_request"),
    ):
        replace(worker, hook, loop, name, lambda original: _task(process, original))
    events = {
        module.EventTypes.BEFORE_DECODE_REQUEST.value: lambda parts: parts.decoding(),
        module.EventTypes.AFTER_DECODE_REQUEST.value: lambda parts: parts.decoded(),
        module.EventTypes.BEFORE_PREDICT.value: lambda parts: parts.predicting(),
        module.EventTypes.AFTER_PREDICT.value: lambda parts: parts.predicted(),
        module.EventTypes.BEFORE_ENCODE_RESPONSE.value: lambda parts: parts.encoding(),
        module.EventTypes.AFTER_ENCODE_RESPONSE.value: lambda parts: parts.encoded(),
    }
    replace(worker, hook, module.CallbackRunner, "trigger_event", lambda original: _event(process, events, original))
    replace(worker, hook, module.LitLoop, "put_response", lambda original: _answered(process, original))


def _entered(process: _Process, original: Callable[..., Any]) -> Callable[..., Any]:
    def __call__(  # noqa: N807 - it becomes that method
        self: Any, lit_api: Any, device: Any, worker_id: Any, request_queue: Any, *args: Any, **kwargs: Any
    ) -> Any:
        # A loop may call that of its class above.
        queue = request_queue
        if not isinstance(queue, _Queue):
            process.guarded(_begin, process, lit_api, worker_id, queue)
            queue = _Queue(process, queue)
        return original(self, lit_api, device, worker_id, queue, *args, **kwargs)

    return __call__


def _begin(process: _Process, api: Any, number: Any, queue: Any) -> None:
    worker = process.worker
    worker.start()
    if not worker.started:
        return
    parts = process.parts = Parts(worker, api)
    if number == 0:
        # All workers of an API share its queue.
        worker.add_queue(id(queue), lambda: (parts.model, _length(queue)))


def _length(queue: Any) -> int:
    try:
        return int(queue.qsize())
    except (OSError, EOFError, NotImplementedError):
        return 0  # the server is ending


def _task(process: _Process, original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def serve(self: Any, request: Any, *args: Any, **kwargs: Any) -> None:
        if process.parts is not None:
            process.guarded(process.parts.serve, request[1])
        await original(self, request, *args, **kwargs)

    return serve


def _event(
    process: _Process, events: dict[str, Callable[[Parts], None]], original: Callable[..., Any]
) -> Callable[..., Any]:
    def trigger_event(self: Any, event_name: Any, *args: Any, **kwargs: Any) -> Any:
        parts = process.parts
        act = None if parts is None else events.get(event_name)
        if act is not None:
            process.guarded(act, parts)
        return original(self, event_name, *args, **kwargs)

    return trigger_event


def _answered(process: _Process, original: Callable[..., Any]) -> Callable[..., Any]:
    def put_response(self: Any, *args: Any, **kwargs: Any) -> Any:
        parts = process.parts
        if parts is None:
            return original(self, *args, **kwargs)
        given = {**dict(zip(_ANSWER, args, strict=False)), **kwargs}
        told = process.guarded(_told, parts, given)
        if told is not None:
            given["transport"] = _Telling(given["transport"], told)
        return original(self, **given)

    return put_response


def _told(parts: Parts, given: dict[str, Any]) -> Any:
    status, kind = given["status"], getattr(given["response_type"], "name", "")
    last = status in ("ERROR", "FINISH_STREAMING") or (status == "OK" and kind == "REGULAR")
    return parts.answered(given["uid"]) if last else None
