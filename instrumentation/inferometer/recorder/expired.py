"""Cancellations that a timeout of the application made: inside its block they look like any other.

``asyncio.timeout`` cancels the task and makes a TimeoutError of that when its block is left; whoever waits inside the
block, such as a client whose call hangs, gets the CancelledError. ``asyncio.wait_for`` does the same from Python 3.12
on; before, it is made in another way (`inferometer.recorder.waited_for`).
"""

import sys
from typing import Any, Final
from weakref import ref

from inferometer.recorder import waited_for

_running: Final[dict[int, "ref[Any]"]] = {}
"""The newest timeout that ran out, by its task's id, for as long as somebody holds it."""


def ran_out(timeout: Any) -> None:
    """Note that an ``asyncio.Timeout`` has cancelled its task.

    Args:
        timeout: has the attributes ``_task`` and ``_state``.
    """
    key = id(timeout._task)  # noqa: SLF001 - it has no public name

    def gone(one: "ref[Any]") -> None:
        if _running.get(key) is one:
            del _running[key]

    _running[key] = ref(timeout, gone)


def by_timeout() -> bool:
    """Whether what cancels the current task is a timeout that ran out, whose block was not left yet."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or not (_running or waited_for.OLD):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    while task is not None:
        if _in_a_block_of(task):
            return True
        over, task = waited_for.ended(task) if waited_for.OLD else (False, None)
        if over:
            return True
    return False


def _in_a_block_of(task: Any) -> bool:
    found = _running.get(id(task))
    timeout = None if found is None else found()
    # An id is used again when its task is gone; a block that was left has made its TimeoutError already.
    return timeout is not None and timeout._task is task and timeout._state.name == "EXPIRING"  # noqa: SLF001 - as above
