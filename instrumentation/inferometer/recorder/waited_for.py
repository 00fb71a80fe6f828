"""``asyncio.wait_for`` before Python 3.12: which task is cancelled because its time had come.

It runs what it is given as a task of its own, cancels that, and waits until it has ended, when the time has come and
when it is cancelled itself. Inside of the task the two look alike. Nothing of asyncio is replaced to tell them apart:
the cancelled task names who waits for its end, and in the frame of ``wait_for`` there lies a future, ``waiter``, that
is cancelled in the second case only.
"""

import gc
import sys
from collections.abc import Iterator, Mapping
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType
from typing import Any, Final

OLD: Final = sys.version_info < (3, 12)
"""Whether ``wait_for`` is made this way."""
_RUNNING: Final = (CoroutineType, AsyncGeneratorType, GeneratorType)


def ended(task: Any) -> tuple[bool, Any]:
    """What cancels *task*, as far as ``wait_for`` knows.

    Returns:
        Whether the time of a ``wait_for`` that runs it had come; else who waits there and was cancelled; None for
        nobody, or where this Python is made in another way.
    """
    try:
        outer = _who_waits(task)
        if outer is None:
            return False, None
        known = _variables(outer, sys.modules["asyncio.tasks"].wait_for.__code__, task)
        if known is None:
            return False, None
        # Without time to wait there is no waiter.
        waiter = known.get("waiter")
        return (True, None) if waiter is None or not waiter.cancelled() else (False, outer)
    except (AttributeError, IndexError, TypeError):
        return False, None


def _who_waits(task: Any) -> Any:
    """The task that has cancelled *task* and waits for its end."""
    release = sys.modules["asyncio.tasks"]._release_waiter  # noqa: SLF001 - it has no public name
    for callback, _ in task._callbacks or ():  # noqa: SLF001 - the same
        if getattr(callback, "func", None) is release:
            waiters = callback.args[0]._callbacks  # noqa: SLF001 - the same
            return waiters[0][0].__self__ if waiters else None
    return None


def _variables(outer: Any, code: CodeType, task: Any) -> Mapping[str, Any] | None:
    for frame in _frames(outer.get_coro()):
        if frame.f_code is code and frame.f_locals.get("fut") is task:
            return frame.f_locals
    return None


def _frames(running: Any) -> Iterator[FrameType]:
    """Frames from a coroutine to what it waits for, and so on."""
    while running is not None:
        if isinstance(running, CoroutineType):
            frame, running = running.cr_frame, running.cr_await
        elif isinstance(running, AsyncGeneratorType):
            frame, running = running.ag_frame, running.ag_await
        elif isinstance(running, GeneratorType):
            frame, running = running.gi_frame, running.gi_yieldfrom
        else:
            # What an ``async for`` waits for does not say whose step it is; the collector of garbage knows.
            frame = None
            running = next((one for one in gc.get_referents(running) if isinstance(one, _RUNNING)), None)
        if frame is not None:
            yield frame
