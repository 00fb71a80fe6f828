"""``asyncio.timeout``, and ``asyncio.wait_for`` from Python 3.12 on: what they cancel has timed out.

Called only when one runs out; a block that is left in time costs nothing. ``wait_for`` of older Pythons needs no hook
(`inferometer.recorder.waited_for`).
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from inferometer.hooks.patching import UnsupportedError, replace
from inferometer.recorder.expired import ran_out
from inferometer.recorder.worker import Worker


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap what a timeout does when it runs out.

    Raises:
        UnsupportedError: this Python's timeouts are made in another way.
    """
    made = vars(module.Timeout(None))
    states = vars(getattr(module, "_State", object))
    if not {"_state", "_task"} <= made.keys() or "EXPIRING" not in states:
        raise UnsupportedError("asyncio.Timeout has no _task and _state that becomes EXPIRING")
    replace(worker, hook, module.Timeout, "_on_timeout", lambda original: _noted(worker, hook, original))


def _noted(worker: Worker, hook: str, original: Callable[[Any], None]) -> Callable[[Any], None]:
    def _on_timeout(self: Any) -> None:
        original(self)
        try:
            ran_out(self)
        except Exception as error:  # noqa: BLE001 - the edge: the timeout is the application's
            worker.hooks.failed(hook, error)

    return _on_timeout
