"""aiohttp's client: each attempt is one ``connect`` of its connector, a request and the answer on that connection.

Redirects, retries and what middlewares send again are attempts of their own. Until the connector gives a connection,
or begins to make one, the attempt waits in the pool; the body of the answer belongs to it until it was read or closed.
A user's trace configurations stay as they are.
"""

from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, Final

from inferometer.catalog.stages import Outcome
from inferometer.hooks.outgoing import MARK, answered, begin, connected, ended, ending, failed
from inferometer.hooks.patching import replace, require
from inferometer.recorder.calls import CallMark
from inferometer.recorder.request import current
from inferometer.recorder.worker import Worker

Function = Callable[..., Any]
_BEFORE_NS: Final = 5 * 10**6


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap connectors, requests and responses.

    Raises:
        UnsupportedError: this aiohttp sends in another way.
    """
    connector, request, response = module.BaseConnector, module.ClientRequest, module.ClientResponse
    require(connector, "connect")
    sender = next(kind for kind in request.__mro__ if "send" in vars(kind))
    require(response, "close", "release", "start")
    replace(worker, hook, connector, "connect", lambda original: _connect(worker, hook, original))
    replace(worker, hook, sender, "send", _send)
    replace(worker, hook, response, "start", lambda original: _start(worker, hook, original))
    replace(worker, hook, response, "close", ending)
    replace(worker, hook, response, "release", ending)


class _Listener:
    """A trace of our own beside the user's: hears when a connection begins to be made, and is deaf to the rest."""

    __slots__ = ("_mark",)

    def __init__(self, mark: CallMark) -> None:
        self._mark = mark

    async def send_connection_create_start(self) -> None:
        connected(self._mark)

    def __getattr__(self, name: str) -> Function:
        return _ignore


async def _ignore(*_: Any, **__: Any) -> None:
    """Nothing."""


def _connect(worker: Worker, hook: str, original: Function) -> Function:
    async def connect(self: Any, req: Any, traces: Any, *args: Any, **kwargs: Any) -> Any:
        mark = _begin(worker, hook, req) if current() is not None else None
        if mark is None:
            return await original(self, req, traces, *args, **kwargs)
        try:
            connection = await original(self, req, [*traces, _Listener(mark)], *args, **kwargs)
        except BaseException as error:
            failed(mark, error, waited=True)
            if mark.outcome is Outcome.CANCELLED and _overdue(mark, *args, **kwargs):
                mark.outcome = Outcome.TIMEOUT
            raise
        connected(mark)
        _link(worker, hook, connection, mark)
        return connection

    return connect


def _overdue(mark: CallMark, timeout: Any = None, *_: Any, **__: Any) -> bool:
    """Whether it was a timeout that cancelled: aiohttp makes one of the cancel only further up."""
    limits = (getattr(timeout, "connect", None), getattr(timeout, "total", None))
    # The total counts from a bit before.
    return any((mark.end - mark.start + _BEFORE_NS) / 1e9 >= limit for limit in limits if limit)


def _begin(worker: Worker, hook: str, req: Any) -> CallMark | None:
    try:
        url, headers = req.url, req.headers
        target = str(url.raw_host) if url.is_default_port() else f"{url.raw_host}:{url.port}"
        begun = begin(worker, hook, target, req.method, headers.get)
        if begun is None:
            return None
        mark, added = begun
        headers.update(added)
    except Exception as error:  # noqa: BLE001 - the edge: the call goes out without us
        worker.hooks.failed(hook, error)
        return None
    return mark


def _link(worker: Worker, hook: str, owner: Any, mark: CallMark) -> None:
    try:
        setattr(owner, MARK, mark)
    except Exception as error:  # noqa: BLE001 - the edge: the attempt ends with its request
        worker.hooks.failed(hook, error)


def _send(original: Callable[..., Awaitable[Any]]) -> Function:
    async def send(self: Any, conn: Any, *args: Any, **kwargs: Any) -> Any:
        mark = getattr(conn, MARK, None)
        if mark is None:
            return await original(self, conn, *args, **kwargs)
        try:
            return await original(self, conn, *args, **kwargs)
        except BaseException as error:
            failed(mark, error, waited=False)
            raise

    return send


def _start(worker: Worker, hook: str, original: Function) -> Function:
    async def start(self: Any, connection: Any, *args: Any, **kwargs: Any) -> Any:
        mark = getattr(connection, MARK, None)
        if mark is None:
            return await original(self, connection, *args, **kwargs)
        try:
            response = await original(self, connection, *args, **kwargs)
        except BaseException as error:
            failed(mark, error, waited=False)
            raise
        answered(worker, hook, mark, self.status, self.headers)
        _link(worker, hook, self, mark)
        try:
            self.content.on_eof(lambda: ended(mark))
        except Exception as error:  # noqa: BLE001 - the edge
            worker.hooks.failed(hook, error)
        return response

    return start
