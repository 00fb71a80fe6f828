"""The wrapper around an ASGI application that records its requests.

A WebSocket passes through untouched and is not recorded: it is a conversation of any length, and its length would be
no latency. `inferometer.request` makes a request of each message where that is what counts.
"""

from collections.abc import Awaitable, Callable
from contextvars import Token
from typing import Any, Final

from inferometer.recorder.asgi_request import AsgiRequest
from inferometer.recorder.protocol import Application, Message, Receive, Scope, Send
from inferometer.recorder.request import OpenRequest, current_request
from inferometer.recorder.this_process import worker as worker_of_this_process
from inferometer.recorder.worker import ASGI_HOOK, Worker

RECORDED: Final = "inferometer"
"""Key of a scope that is recorded already: applications nest."""

Method = Callable[[Any, Scope, Receive, Send], Awaitable[None]]
"""``__call__`` of an application's class."""


def asgi(app: Application) -> Application:
    """Record the requests of a plain ASGI application, where no hook can reach it.

    FastAPI and Starlette need no such line; applied to them it changes nothing.

    Args:
        app: the application, of any framework or none.

    Returns:
        The application to give to the server.
    """
    return RecordedApplication(app)


class RecordedApplication:
    """An application whose requests are recorded; it is pickled as what it was made of (Ray Serve pickles)."""

    def __init__(self, app: Application) -> None:
        worker = worker_of_this_process()
        self._app = app
        self._recorded: Method | None = recording(worker, lambda _, scope, receive, send: app(scope, receive, send))
        worker.hooks.on_failure(ASGI_HOOK, self._take_out)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Be the application."""
        if self._recorded is None:
            await self._app(scope, receive, send)
        else:
            await self._recorded(self, scope, receive, send)

    def __reduce__(self) -> tuple[Callable[[Application], Application], tuple[Application]]:
        return asgi, (self._app,)

    def _take_out(self) -> None:
        self._recorded = None


def recording(worker: Worker, call: Method) -> Method:
    """*call* with its requests recorded.

    It is a coroutine function, because uvicorn tells ASGI 3 from ASGI 2 by that.
    """
    get_current, set_current = current_request.get, current_request.set
    excluded, running = worker.excluded_paths, worker.running

    async def __call__(self: Any, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: N807 - it becomes one
        if RECORDED in scope:
            await call(self, scope, receive, send)
            return
        if scope["type"] != "http":
            await call(self, scope, receive, _lifespan_send(worker, scope, send))
            return
        try:
            # Not where it is switched off.
            scope[RECORDED] = recorded = (running[0] or _begun(worker)) and scope["path"] not in excluded
            request = AsgiRequest(worker, scope, receive, send) if recorded else None
        except Exception as error:  # noqa: BLE001 - the edge: the request goes on without us
            worker.failed(error)
            request = None
        if request is None:
            await call(self, scope, receive, send)
            return
        outer = get_current()
        token = set_current(request)
        try:
            await call(self, scope, request.receive, request.send)
        except BaseException as error:
            request.raise_(error)
            raise
        finally:
            request.close()
            # A server gives each request a context of its own, which ends with it: nobody looks for what was before.
            if outer is not None and not outer.ended:
                _back(token)

    return __call__


def _begun(worker: Worker) -> bool:
    """Start it, as a request is the first that is seen of a server; whether it is started now."""
    worker.start(ready=False)
    return worker.started


def _back(token: Token[OpenRequest | None]) -> None:
    """A request inside of another one has ended."""
    try:
        current_request.reset(token)
    except ValueError:
        # Closed by another task, as asynchronous generators are: that context ends by itself.
        current_request.set(None)


def _lifespan_send(worker: Worker, scope: Scope, send: Send) -> Send:
    if scope["type"] != "lifespan":
        return send
    scope[RECORDED] = True
    worker.cold_start.starting()

    async def lifespan_send(message: Message) -> None:
        try:
            kind = message["type"]
            if kind == "lifespan.startup.complete":
                worker.start()
            elif kind.startswith("lifespan.shutdown."):
                await flushed(worker)
        except Exception as error:  # noqa: BLE001 - the edge
            worker.failed(error)
        await send(message)

    return lifespan_send


async def flushed(worker: Worker) -> None:
    """Flush without blocking the event loop: a server that ends by a signal runs no exit handlers."""
    import asyncio  # noqa: PLC0415 - a server has loaded it; a script that imports us need not

    if not worker.started:
        return
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        # Another event loop than asyncio's: it waits, the server is ending anyway.
        worker.flush_at_exit()
    else:
        await loop.run_in_executor(None, worker.flush_at_exit)
