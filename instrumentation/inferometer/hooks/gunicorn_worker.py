"""gunicorn's own workers, one request at a time or a thread for each: when a worker begins and ends to serve.

By then the application is imported, also where the one line stands in it. Workers of other packages, such as uvicorn's,
have servers of their own, which tell themselves. The threaded worker hands a connection on which something came to its
pool: from there to the moment at which a thread takes it, a request waits for a thread.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.patching import UnsupportedError, replace, require
from inferometer.recorder.request import now
from inferometer.recorder.worker import Worker
from inferometer.recorder.wsgi_request import PoolWait, pool_wait

_CLASSES: Final = ("SyncWorker", "ThreadWorker")
_QUEUED: Final = "_inferometer_queued"
"""Where a connection keeps the moment at which it was handed to the pool."""


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap ``run`` of the module's worker.

    Raises:
        UnsupportedError: there is no such worker in it, or it has no pool of threads.
    """
    found = [getattr(module, name) for name in _CLASSES if name in vars(module)]
    if not found:
        raise UnsupportedError(f"{module.__name__} has neither {' nor '.join(_CLASSES)}")
    for kind in found:
        replace(worker, hook, kind, "run", lambda original: _run(worker, hook, original))
    pooled = vars(module).get("ThreadWorker")
    if pooled is not None:
        require(pooled, "enqueue_req", "handle")
        replace(worker, hook, pooled, "enqueue_req", lambda original: _enqueue(worker, hook, original))
        replace(worker, hook, pooled, "handle", lambda original: _handle(worker, hook, original))


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


def _enqueue(worker: Worker, hook: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def enqueue_req(self: Any, conn: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            setattr(conn, _QUEUED, now())
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)
        return original(self, conn, *args, **kwargs)

    return enqueue_req


def _handle(worker: Worker, hook: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def handle(self: Any, conn: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            # On a new connection nothing need have come yet; one that was used before is here because something has.
            told = bool(getattr(conn, "initialized", False) or getattr(conn, "data_ready", False))
            pool_wait.set(PoolWait(getattr(conn, _QUEUED, 0), now(), told))
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)
        return original(self, conn, *args, **kwargs)

    return handle
