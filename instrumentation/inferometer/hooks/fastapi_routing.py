"""FastAPI: the four functions of ``fastapi.routing`` through which every endpoint goes.

They are looked up as globals of that module, 0.92 to 0.165, so replacing the attribute is enough. Each hook stamps at
its entry and hands the original's coroutine on: the end of a stage is the beginning of the next.
"""

import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.patching import UnsupportedError, replace
from inferometer.recorder.request import current_request
from inferometer.recorder.worker import Worker

now = time.monotonic_ns
current = current_request.get
_NAMES: Final = ("solve_dependencies", "run_endpoint_function", "serialize_response", "run_in_threadpool")


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Replace the four; those that are missing cost their stage only.

    Raises:
        UnsupportedError: one of them is not there.
    """
    makers = (_validate, _endpoint, _encode, in_thread)
    missing = [name for name in _NAMES if not callable(getattr(module, name, None))]
    for name, make in zip(_NAMES, makers, strict=True):
        if name not in missing:
            replace(worker, hook, module, name, make)
    if missing:
        raise UnsupportedError(f"fastapi.routing has no {', '.join(missing)}: their stages count as handler")


def _validate(original: Callable[..., Any]) -> Callable[..., Any]:
    def solve_dependencies(*args: Any, **kwargs: Any) -> Any:
        request = current()
        if request is not None and not request.validate:
            request.validate = now()
        return original(*args, **kwargs)

    return solve_dependencies


def _endpoint(original: Callable[..., Any]) -> Callable[..., Any]:
    def run_endpoint_function(*args: Any, **kwargs: Any) -> Any:
        request = current()
        if request is not None:
            request.endpoint = now()
        return original(*args, **kwargs)

    return run_endpoint_function


def _encode(original: Callable[..., Any]) -> Callable[..., Any]:
    def serialize_response(*args: Any, **kwargs: Any) -> Any:
        request = current()
        if request is not None:
            request.encode = now()
        return original(*args, **kwargs)

    return serialize_response


def in_thread(original: Callable[..., Any]) -> Callable[..., Any]:
    """``run_in_threadpool`` that stamps where the endpoint begins in its thread."""

    def run_in_threadpool(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        request = current()
        if request is None or not request.endpoint or request.thread or request.encode:
            return original(function, *args, **kwargs)

        def in_worker(*inner_args: Any, **inner_kwargs: Any) -> Any:
            request.thread = now()
            return function(*inner_args, **inner_kwargs)

        return original(in_worker, *args, **kwargs)

    return run_in_threadpool
