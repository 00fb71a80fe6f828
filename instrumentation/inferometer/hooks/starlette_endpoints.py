"""Starlette's endpoints that are classes: the thread of a synchronous method."""

from types import ModuleType

from inferometer.hooks.fastapi_routing import thread_hook
from inferometer.hooks.patching import replace
from inferometer.recorder.worker import Worker


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap ``run_in_threadpool``."""
    replace(worker, hook, module, "run_in_threadpool", thread_hook(worker, hook))
