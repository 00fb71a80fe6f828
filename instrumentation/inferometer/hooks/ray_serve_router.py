"""Ray Serve's router, in the proxy and in every process that has a handle: each request to a replica is a call.

It waits in the router's queue until a replica takes it: that is `queue`, the rest is `remote`, which the replica's own
record explains. A request that a full replica sent back waits on, so the last sending counts.
"""

import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from types import ModuleType
from typing import Any, Final

from inferometer.catalog.stages import Kind, Stage
from inferometer.hooks.patching import replace, require
from inferometer.hooks.ray_serve import Caller
from inferometer.record.model import Flag
from inferometer.recorder.calls import CallMark
from inferometer.recorder.headers import format_traceparent, outgoing_state
from inferometer.recorder.request import OpenRequest, current
from inferometer.recorder.worker import Worker

now = time.monotonic_ns
_sending: Final[ContextVar[CallMark | None]] = ContextVar("inferometer_ray_call", default=None)


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the assignment of a request to a replica, and what is done when it was sent.

    Nothing of ``ray.serve._private.request_router`` may be touched: Ray pickles its classes by value.

    Raises:
        UnsupportedError: this Ray assigns in another way.
    """
    router = module.AsyncioRouter
    require(router, "assign_request", "_register_completion_callback")
    replace(worker, hook, router, "assign_request", lambda original: _assign(worker, hook, original))
    replace(worker, hook, router, "_register_completion_callback", _sent)


def _assign(worker: Worker, hook: str, original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    def assign_request(self: Any, request_meta: Any, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        # Called in the caller's context; what it returns runs in a task of the router's loop, often another thread.
        request = current()
        mark = None if request is None else _begin(worker, hook, request, self, request_meta)
        assigned = original(self, request_meta, *args, **kwargs)
        if request is None or mark is None:
            return assigned
        return _followed(worker, hook, request, mark, assigned)

    return assign_request


def _begin(worker: Worker, hook: str, request: OpenRequest, router: Any, metadata: Any) -> CallMark | None:
    try:
        strings = worker.shapes.string
        called = router.deployment_id
        mark = CallMark(worker.bits(64), strings(f"{called.app_name}/{called.name}"), strings(metadata.call_method))
        if not request.add_call(mark):
            return None
        sampled = bool(request.flags & Flag.SAMPLED)
        parent = format_traceparent(request.trace_hi, request.trace_lo, mark.call_id, sampled=sampled)
        Caller(parent, outgoing_state(request.state), request.tenant, request.request_class).put(metadata)
    except Exception as error:  # noqa: BLE001 - the edge: the call goes out without us
        worker.hooks.failed(hook, error)
        return None
    return mark


async def _followed(worker: Worker, hook: str, request: OpenRequest, mark: CallMark, assigned: Awaitable[Any]) -> Any:
    came = mark.start
    _sending.set(mark)
    try:
        result = await assigned
    except BaseException:
        mark.end = now()
        # Never sent, or sent back: all of it was waiting.
        request.add_interval(came, max(mark.start, mark.end), Stage.QUEUE, Kind.ENGINE)
        raise
    try:
        request.add_interval(came, mark.start, Stage.QUEUE, Kind.ENGINE)
        result.add_done_callback(lambda *_: _ended(mark))
    except Exception as error:  # noqa: BLE001 - the edge: the answer is the caller's, with or without us
        worker.hooks.failed(hook, error)
    return result


def _ended(mark: CallMark) -> None:
    mark.end = mark.end or now()


def _sent(original: Callable[..., Any]) -> Callable[..., Any]:
    def _register_completion_callback(self: Any, *args: Any, **kwargs: Any) -> Any:
        mark = _sending.get()
        if mark is not None:
            mark.start = now()
        return original(self, *args, **kwargs)

    return _register_completion_callback
