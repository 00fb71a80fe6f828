"""MLServer's adaptive batching: its queue, its batches, and which requests share one."""

import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.patching import replace, require
from inferometer.recorder.batch_run import FULL, TIMEOUT, RunningBatch, Waited
from inferometer.recorder.request import current, current_request, now
from inferometer.recorder.worker import Worker

_KEPT: Final = "inferometer_kept"


class _Kept:
    """What is known of one batcher: its members, and the batches that are closed and not run yet."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.members: dict[str, Waited] = {}
        self.closed: dict[int, list[Waited]] = {}

    def depth(self) -> tuple[str, int]:
        """(model, members that wait)."""
        return self.model, len(self.members)


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the queue, the forming of batches, and what runs one.

    Raises:
        UnsupportedError: this MLServer batches in another way.
    """
    batcher = module.AdaptiveBatcher
    require(batcher, "_queue_request", "_batch_requests", "_batcher", "_clear_queue")
    replace(worker, hook, batcher, "_queue_request", lambda original: _queued(worker, hook, original))
    replace(worker, hook, batcher, "_batch_requests", lambda original: _formed(worker, hook, original))
    replace(worker, hook, batcher, "_batcher", lambda original: _running(worker, hook, original))
    replace(worker, hook, batcher, "_clear_queue", _cleared)


def _kept(worker: Worker, batcher: Any) -> _Kept:
    kept = vars(batcher).get(_KEPT)
    if kept is None:
        kept = vars(batcher)[_KEPT] = _Kept(str(batcher._model.name))  # noqa: SLF001 - it has no public name
        there = weakref.ref(kept)
        worker.add_queue(id(batcher), lambda: found.depth() if (found := there()) is not None else ("", 0))
    assert isinstance(kept, _Kept)  # noqa: S101 - nobody else writes it
    return kept


def _queued(worker: Worker, hook: str, original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def _queue_request(self: Any, *args: Any, **kwargs: Any) -> Any:
        came, request = now(), current()
        queued = await original(self, *args, **kwargs)
        try:
            # Nothing ran since the request is in the queue: the batcher cannot have taken it yet.
            _kept(worker, self).members[queued[0]] = (came, request)
        except Exception as error:  # noqa: BLE001 - the edge: the request waits without us
            worker.hooks.failed(hook, error)
        return queued

    return _queue_request


def _formed(
    worker: Worker, hook: str, original: Callable[..., AsyncIterator[Any]]
) -> Callable[..., AsyncIterator[Any]]:
    async def _batch_requests(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        async for batched in original(self, *args, **kwargs):
            try:
                kept = _kept(worker, self)
                members = [kept.members.pop(each, (now(), None)) for each in batched.inference_requests]
                kept.closed[id(batched.merged_request)] = members
            except Exception as error:  # noqa: BLE001 - the edge: the batch runs without us
                worker.hooks.failed(hook, error)
            yield batched

    return _batch_requests


def _running(worker: Worker, hook: str, original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def _batcher(self: Any, *args: Any, **kwargs: Any) -> None:
        # The function that runs a batch is an attribute of the batcher; from now on it is ours.
        predict = self._predict_fn
        if not hasattr(predict, _KEPT):
            self._predict_fn = _predicting(worker, hook, self, predict)
        await original(self, *args, **kwargs)

    return _batcher


def _predicting(
    worker: Worker, hook: str, batcher: Any, predict: Callable[..., Awaitable[Any]]
) -> Callable[..., Awaitable[Any]]:
    async def predict_batch(merged: Any, *args: Any, **kwargs: Any) -> Any:
        # A task of its own, made in the context of the queue's first request: it is not that request's.
        current_request.set(None)
        told = _begin(worker, hook, batcher, merged)
        try:
            return await predict(merged, *args, **kwargs)
        finally:
            if told is not None:
                told.end()

    setattr(predict_batch, _KEPT, True)
    return predict_batch


def _begin(worker: Worker, hook: str, batcher: Any, merged: Any) -> RunningBatch | None:
    try:
        kept = _kept(worker, batcher)
        members = kept.closed.pop(id(merged), [])
        if not members:
            return None
        capacity = int(batcher._max_batch_size)  # noqa: SLF001 - it has no public name
        return RunningBatch(
            worker,
            members,
            capacity=capacity,
            waiting=len(kept.members),
            reason=FULL if len(members) >= capacity else TIMEOUT,
            model=kept.model,
            hook=hook,
        )
    except Exception as error:  # noqa: BLE001 - the edge: the batch runs without us
        worker.hooks.failed(hook, error)
        return None


def _cleared(original: Callable[..., None]) -> Callable[..., None]:
    def _clear_queue(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        kept = vars(self).get(_KEPT)
        if isinstance(kept, _Kept):
            kept.members.clear()
            kept.closed.clear()

    return _clear_queue
