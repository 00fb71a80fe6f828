"""FastAPI: the four functions of ``fastapi.routing`` through which every endpoint goes.

They are looked up as globals of that module, 0.92 to 0.165, so replacing the attribute is enough. Each hook stamps at
its entry and hands the original's coroutine on: the end of a stage is the beginning of the next.
"""

import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.parameters import before
from inferometer.hooks.patching import UnsupportedError, replace
from inferometer.recorder.request import OpenRequest, current_request
from inferometer.recorder.worker import Worker

now = time.monotonic_ns
current = current_request.get
Make = Callable[[Callable[..., Any]], Callable[..., Any]]
_NAMES: Final = ("solve_dependencies", "run_endpoint_function", "serialize_response", "run_in_threadpool")


_STAMP: Final = """
try:
    our_request = current()
    if our_request is not None{unless}:
        our_request.{moment} = now()
except Exception as our_error:
    our_failed(our_hook, our_error)
"""
_ONCE: Final = " and not our_request.{moment}"


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Replace the four; those that are missing cost their stage only.

    Raises:
        UnsupportedError: one of them is not there.
    """
    makers = (
        # FastAPI decodes once more for each dependency that has a body of its own, further in.
        _stamping(worker, hook, "validate", _ONCE),
        _stamping(worker, hook, "endpoint"),
        _stamping(worker, hook, "encode"),
        thread_hook(worker, hook),
    )
    missing = [name for name in _NAMES if not callable(getattr(module, name, None))]
    for name, make in zip(_NAMES, makers, strict=True):
        if name not in missing:
            replace(worker, hook, module, name, make)
    if missing:
        raise UnsupportedError(f"fastapi.routing has no {', '.join(missing)}: their stages count as handler")


def _stamping(worker: Worker, hook: str, moment: str, unless: str = "") -> Make:
    """Make a wrapper that stamps *moment* of the current request."""
    body = _STAMP.format(unless=unless.format(moment=moment), moment=moment)
    return lambda original: before(original, body, globals(), our_failed=worker.hooks.failed, our_hook=hook)


def thread_hook(worker: Worker, hook: str) -> Make:
    """Make a ``run_in_threadpool`` that stamps where the endpoint begins in its thread."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def run_in_threadpool(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
            try:
                request = current()
                if request is not None and request.endpoint and not request.thread and not request.encode:
                    function = StampedCall(request, function)
            except Exception as error:  # noqa: BLE001 - the edge
                worker.hooks.failed(hook, error)
            return original(function, *args, **kwargs)

        return run_in_threadpool

    return make


class StampedCall:
    """A synchronous endpoint on its way to its thread: the request knows by itself when it came there."""

    __slots__ = ("_function", "_request")

    def __init__(self, request: OpenRequest, function: Callable[..., Any]) -> None:
        self._request = request
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Be the function, in its thread."""
        self._request.thread = now()
        return self._function(*args, **kwargs)
