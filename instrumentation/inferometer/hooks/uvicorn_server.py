"""uvicorn: when its server starts and ends, and which application it serves."""

from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.patching import replace
from inferometer.recorder.asgi import flushed
from inferometer.recorder.worker import Worker

_OF_SERVERS: Final = frozenset({"kserve.model_server:app"})
"""Applications that a model server brings along: the service is who started it."""


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap ``Server.startup`` and ``Server.shutdown``."""
    replace(worker, hook, module.Server, "startup", lambda original: _startup(worker, hook, original))
    replace(worker, hook, module.Server, "shutdown", lambda original: _shutdown(worker, hook, original))


def _startup(worker: Worker, hook: str, original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def startup(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            app = getattr(self.config, "app", None)
            if isinstance(app, str) and app not in _OF_SERVERS:
                worker.name_service(app.partition(":")[0])
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)
        await original(self, *args, **kwargs)
        try:
            worker.start()
            worker.listening.on(sock.fileno() for server in self.servers for sock in server.sockets)
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)

    return startup


def _shutdown(worker: Worker, hook: str, original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def shutdown(self: Any, *args: Any, **kwargs: Any) -> None:
        worker.listening.ended()
        await original(self, *args, **kwargs)
        try:
            await flushed(worker)
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)

    return shutdown
