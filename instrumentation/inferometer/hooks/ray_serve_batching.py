"""``ray.serve.batch``: its queue, its batches, and which requests share one."""

import weakref
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.patching import replace, require
from inferometer.recorder.batch_run import FULL, TIMEOUT, RunningBatch, Waited
from inferometer.recorder.request import current, current_request, now
from inferometer.recorder.worker import Worker

_WAITED: Final = "inferometer_waited"
_QUEUE: Final = "inferometer_queue"


class _Waiting:
    """Members of one queue that are in no running batch yet."""

    def __init__(self) -> None:
        self.model = ""
        self._members: dict[int, Any] = {}

    def add(self, member: Any) -> None:
        self._members[id(member)] = member

    def take(self, member: Any) -> None:
        self._members.pop(id(member), None)

    def depth(self) -> tuple[str, int]:
        """(model of the last batch, members that wait); those that were given up or refused wait no more."""
        for key, member in list(self._members.items()):
            if member.future.done():
                self._members.pop(key, None)
        return self.model, len(self._members)


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the queue's ``put`` and the run of a batch.

    Raises:
        UnsupportedError: this Ray batches in another way.
    """
    queue = module._BatchQueue  # noqa: SLF001 - it has no public name
    require(queue, "put", "_process_batch_inner", "_compute_batch_size")
    replace(worker, hook, queue, "put", lambda original: _put(worker, hook, original))
    replace(worker, hook, queue, "_process_batch_inner", lambda original: _run(worker, hook, original))


def _put(worker: Worker, hook: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def put(self: Any, request: Any) -> Any:
        try:
            vars(request)[_WAITED] = (now(), current())
            _waiting(worker, self).add(request)
        except Exception as error:  # noqa: BLE001 - the edge: the batch forms without us
            worker.hooks.failed(hook, error)
        return original(self, request)

    return put


def _waiting(worker: Worker, queue: Any) -> _Waiting:
    waiting = vars(queue).get(_QUEUE)
    if waiting is None:
        waiting = vars(queue)[_QUEUE] = _Waiting()
        there = weakref.ref(waiting)
        worker.add_queue(id(queue), lambda: found.depth() if (found := there()) is not None else ("", 0))
    assert isinstance(waiting, _Waiting)  # noqa: S101 - nobody else writes it
    return waiting


def _run(worker: Worker, hook: str, original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def _process_batch_inner(self: Any, func: Any, batch: Any) -> None:
        # A task of its own, made in the context of the queue's first request: it is not that request's.
        current_request.set(None)
        told = _begin(worker, hook, self, batch)
        try:
            await original(self, func, batch)
        finally:
            if told is not None:
                told.end()
                _waiting(worker, self).model = told.model

    return _process_batch_inner


def _begin(worker: Worker, hook: str, queue: Any, batch: Any) -> RunningBatch | None:
    try:
        waiting = _waiting(worker, queue)
        for member in batch:
            waiting.take(member)
        running = [member for member in batch if not member.future.cancelled()]
        if not running:
            return None
        members: list[Waited] = [vars(member).get(_WAITED, (now(), None)) for member in running]
        full = queue._compute_batch_size(running) >= queue.max_batch_size  # noqa: SLF001 - the same
        return RunningBatch(
            worker,
            members,
            capacity=queue.max_batch_size,
            waiting=waiting.depth()[1],
            reason=FULL if full else TIMEOUT,
            hook=hook,
        )
    except Exception as error:  # noqa: BLE001 - the edge: the batch runs without us
        worker.hooks.failed(hook, error)
        return None
