"""anyio: the limiter of the threads in which Starlette and FastAPI run synchronous endpoints."""

from types import ModuleType

from inferometer.hooks.patching import UnsupportedError
from inferometer.recorder.worker import Worker


def install(worker: Worker, module: ModuleType, hook: str) -> None:  # noqa: ARG001 - every hook has this signature
    """Remember whom to ask.

    Raises:
        UnsupportedError: there is nobody to ask.
    """
    ask = getattr(module, "current_default_thread_limiter", None)
    if not callable(ask):
        raise UnsupportedError("anyio.to_thread has no current_default_thread_limiter")
    worker.thread_pool.ask = ask
