"""Dynamic batching: calls of concurrent requests run together, and each request knows how long it waited."""

import asyncio
import inspect
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from inferometer.recorder.batch_run import FULL, TIMEOUT, RunningBatch
from inferometer.recorder.request import OpenRequest, current
from inferometer.recorder.worker import Worker

Item = TypeVar("Item")
Result = TypeVar("Result")
BatchFunction = Callable[[list[Item]], Awaitable[Sequence[Result]] | Sequence[Result]]


class Member(Generic[Item, Result]):
    """One call that waits for its batch."""

    __slots__ = ("came", "future", "item", "request")

    def __init__(self, item: Item, future: "asyncio.Future[Result]", request: OpenRequest | None) -> None:
        self.item = item
        self.future = future
        self.request = request
        self.came = time.monotonic_ns()


class BatchQueue(Generic[Item, Result]):
    """The queue of one function in one event loop; one batch runs at a time, the next one fills meanwhile."""

    def __init__(self, function: BatchFunction[Item, Result], max_size: int, max_wait: float, worker: Worker) -> None:
        self._function = function
        # Whether calling it is quick: a synchronous one computes in a thread.
        self._is_async = inspect.iscoroutinefunction(function)
        self._max_size = max_size
        self._max_wait = max_wait
        self._worker = worker
        self._waiting: deque[Member[Item, Result]] = deque()
        self._running = False
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._model = ""

    def depth(self) -> tuple[str, int]:
        """(model of the last batch, calls that wait)."""
        return self._model, len(self._waiting)

    def put(self, item: Item) -> "asyncio.Future[Result]":
        """Add a call; its future gets the result."""
        member = Member(item, asyncio.get_running_loop().create_future(), current())
        self._waiting.append(member)
        self._consider()
        return member.future

    def _consider(self) -> None:
        """Run a batch, or see to it that one runs in time."""
        if self._running or not self._waiting:
            return
        if len(self._waiting) >= self._max_size:
            self._close(FULL)
            return
        left = self._max_wait - (time.monotonic_ns() - self._waiting[0].came) / 1e9
        if left <= 0:
            self._close(TIMEOUT)
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(left, self._due)

    def _due(self) -> None:
        self._timer = None
        self._consider()

    def _close(self, reason: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        members: list[Member[Item, Result]] = []
        while self._waiting and len(members) < self._max_size:
            member = self._waiting.popleft()
            if not member.future.done():  # its request was given up while it waited
                members.append(member)
        if not members:
            self._consider()
            return
        self._running = True
        # A context of its own: the batch belongs to all its members, not to the request that happened to fill it.
        self._task = asyncio.get_running_loop().create_task(self._run(members, reason), context=Context())

    async def _run(self, members: list[Member[Item, Result]], reason: str) -> None:
        waited = [(member.came, member.request) for member in members]
        told = RunningBatch(self._worker, waited, capacity=self._max_size, waiting=len(self._waiting), reason=reason)
        try:
            results = await self._results([member.item for member in members])
            if len(results) != len(members):
                raise ValueError(  # noqa: TRY301 - the members are told like of any other error of the function
                    f"the batch function returned {len(results)} results for {len(members)} items"
                )
        except BaseException as error:
            told.end()
            _fail(members, error)
            if not isinstance(error, Exception):
                raise
        else:
            told.end()
            for member, result in zip(members, results, strict=True):
                if not member.future.done():
                    member.future.set_result(result)
        finally:
            self._model = told.model or self._model
            self._running = False
            self._consider()

    async def _results(self, items: list[Item]) -> Sequence[Result]:
        found = self._function(items) if self._is_async else await asyncio.to_thread(self._function, items)
        return await found if inspect.isawaitable(found) else found


def _fail(members: Sequence[Member[Any, Any]], error: BaseException) -> None:
    for member in members:
        if member.future.done():
            continue
        if isinstance(error, asyncio.CancelledError):
            member.future.cancel()
        else:
            member.future.set_exception(error)


class Batcher(Generic[Item, Result]):
    """The queues of one function, one per event loop."""

    def __init__(
        self, function: BatchFunction[Item, Result], max_size: int, max_wait: float, worker: Callable[[], Worker]
    ) -> None:
        self._function = function
        self._max_size = max_size
        self._max_wait = max_wait
        self._worker = worker
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, BatchQueue[Item, Result]] = WeakKeyDictionary()

    async def call(self, item: Item) -> Result:
        """Run *item* in a batch and return its result, or raise what the batch function raised."""
        loop = asyncio.get_running_loop()
        queue = self._queues.get(loop)
        if queue is None:
            worker = self._worker()
            queue = self._queues[loop] = BatchQueue(self._function, self._max_size, self._max_wait, worker)
            worker.add_queue(id(self), queue.depth)
        return await queue.put(item)
