"""gunicorn's own workers, one request at a time or a thread for each: when a worker begins and ends to serve.

By then the application is imported, also where the one line stands in it. Workers of other packages, such as uvicorn's,
have servers of their own, which tell themselves.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.patching import UnsupportedError, replace
from inferometer.recorder.worker import Worker

_CLASSES: Final = ("SyncWorker", "ThreadWorker")


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap ``run`` of the module's worker.

    Raises:
        UnsupportedError: there is no such worker in it.
    """
    found = [getattr(module, name) for name in _CLASSES if name in vars(module)]
    if not found:
        raise UnsupportedError(f"{module.__name__} has neither {' nor '.join(_CLASSES)}")
    for kind in found:
        replace(worker, hook, kind, "run", lambda original: _run(worker, hook, original))


def _run(worker: Worker, hook: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            worker.start()
            worker.listening.on(sock.fileno() for sock in self.sockets)
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)
        try:
            return original(self, *args, **kwargs)
        finally:
            worker.listening.ended()

    return run
