"""The public functions that are more than a name for what the recorder has."""

import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from inferometer.errors import InferometerError
from inferometer.recorder.this_process import worker

Item = TypeVar("Item")
Result = TypeVar("Result")


def batch(
    *, max_size: int = 8, max_wait: float = 0.005
) -> Callable[
    [Callable[[list[Item]], Awaitable[Sequence[Result]] | Sequence[Result]]], Callable[[Item], Awaitable[Result]]
]:
    """Turn a function of a list into one of an item, whose concurrent calls run together.

    The wait for the batch is recorded as ``queue`` of kind ``batch``, and what executes inside is shared by the
    requests of the batch. One batch runs at a time, the next one fills meanwhile. A synchronous function runs in a
    thread. The function returns one result per item, in order; what it raises, every caller of the batch gets.

    Args:
        max_size: Items of a full batch, at least 1.
        max_wait: Longest time in seconds that the first item waits for company.

    Raises:
        InferometerError: A limit is out of range. Callers get a ValueError where the function returns more or fewer
            results than it was given items.
    """
    if max_size < 1 or max_wait < 0:
        raise InferometerError(f"batch(max_size={max_size}, max_wait={max_wait}): at least 1 and at least 0 are right")

    def decorate(
        function: Callable[[list[Item]], Awaitable[Sequence[Result]] | Sequence[Result]],
    ) -> Callable[[Item], Awaitable[Result]]:
        from inferometer.recorder.batching import Batcher  # noqa: PLC0415 - asyncio is for those who batch

        batcher: Batcher[Item, Result] = Batcher(function, max_size, max_wait, worker)

        @functools.wraps(function)
        async def call(item: Item) -> Result:
            return await batcher.call(item)

        return call

    return decorate


def flush(seconds: float = 2.0) -> bool:
    """Send what is recorded and wait until it is durable where it is sent.

    Args:
        seconds: Longest wait.

    Returns:
        False where that did not succeed in time.
    """
    return worker().flush(seconds)
