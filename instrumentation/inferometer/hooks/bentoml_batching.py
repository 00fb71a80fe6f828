"""BentoML's dispatcher of batchable APIs: its queue, its batches, and which requests share one."""

import weakref
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, Final
from weakref import WeakKeyDictionary

from inferometer.hooks.patching import replace, require
from inferometer.recorder.batch_run import FULL, TIMEOUT, RunningBatch, Waited
from inferometer.recorder.request import current, current_request, now
from inferometer.recorder.worker import Worker

_MODEL: Final = "inferometer_model"
_Waits = WeakKeyDictionary[Any, Waited]
"""Future of a job -> when it came, for whom. Jobs themselves have no place for it."""


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the making of jobs, their division, and the run of a batch.

    Raises:
        UnsupportedError: this BentoML dispatches in another way.
    """
    dispatcher, job = module.CorkDispatcher, module.Job
    require(dispatcher, "inbound_call", "outbound_call", "split_job")
    require(job, "__init__")
    waits: _Waits = WeakKeyDictionary()
    replace(worker, hook, job, "__init__", lambda original: _made(worker, hook, waits, original))
    replace(worker, hook, dispatcher, "inbound_call", lambda original: _queue(worker, hook, original))
    replace(worker, hook, dispatcher, "split_job", lambda original: _split(worker, hook, waits, original))
    replace(worker, hook, dispatcher, "outbound_call", lambda original: _run(worker, hook, waits, original))


def _made(worker: Worker, hook: str, waits: _Waits, original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it becomes that method
        original(self, *args, **kwargs)
        try:
            waits[self.future] = (now(), current())
        except Exception as error:  # noqa: BLE001 - the edge: the job waits without us
            worker.hooks.failed(hook, error)

    return __init__


def _queue(worker: Worker, hook: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def inbound_call(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            if _MODEL not in vars(self):
                vars(self)[_MODEL] = ""
                there = weakref.ref(self)
                worker.add_queue(id(self), lambda: _depth(there()))
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)
        return original(self, *args, **kwargs)

    return inbound_call


def _depth(dispatcher: Any) -> tuple[str, int]:
    return ("", 0) if dispatcher is None else (vars(dispatcher)[_MODEL], len(dispatcher._queue))  # noqa: SLF001 - the library has no public name for it


def _split(worker: Worker, hook: str, waits: _Waits, original: Callable[..., Any]) -> Callable[..., Any]:
    def split_job(self: Any, job: Any, *args: Any, **kwargs: Any) -> Any:
        parts = original(self, job, *args, **kwargs)
        try:
            # Made in the dispatcher's task, which is nobody's: they are the request's whose job this was.
            for part in parts:
                waits[part.future] = waits.get(job.future, (now(), None))
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)
        return parts

    return split_job


def _run(
    worker: Worker, hook: str, waits: _Waits, original: Callable[..., Awaitable[None]]
) -> Callable[..., Awaitable[None]]:
    async def outbound_call(self: Any, inputs_info: Any, *args: Any, **kwargs: Any) -> None:
        # A task of its own, made in the context of the queue's first request: it is not that request's.
        current_request.set(None)
        told = _begin(worker, hook, waits, self, inputs_info)
        try:
            await original(self, inputs_info, *args, **kwargs)
        finally:
            if told is not None:
                told.end()
                vars(self)[_MODEL] = told.model

    return outbound_call


def _begin(worker: Worker, hook: str, waits: _Waits, dispatcher: Any, jobs: Any) -> RunningBatch | None:
    try:
        members: list[Waited] = [waits.pop(job.future, (now(), None)) for job in jobs]
        if not members:
            return None
        size = sum(dispatcher.get_batch_size(job.data) for job in jobs)
        return RunningBatch(
            worker,
            members,
            capacity=dispatcher.max_batch_size,
            waiting=len(dispatcher._queue),  # noqa: SLF001 - it has no public name
            reason=FULL if size >= dispatcher.max_batch_size else TIMEOUT,
            hook=hook,
        )
    except Exception as error:  # noqa: BLE001 - the edge: the batch runs without us
        worker.hooks.failed(hook, error)
        return None
