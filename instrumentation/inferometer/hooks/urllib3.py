"""urllib3, and what calls through it (requests, botocore, huggingface_hub): each attempt is one ``_make_request``.

Retries and redirects are attempts of their own. What comes before, in ``_get_conn``, is the wait for a connection of
the pool; the body of the answer belongs to the attempt until the connection is released.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import ModuleType
from typing import Any, Final

from inferometer.catalog.stages import Outcome
from inferometer.hooks.outgoing import MARK, answered, begin, ending, failed, now
from inferometer.hooks.patching import replace, require
from inferometer.recorder.calls import CallMark
from inferometer.recorder.request import current
from inferometer.recorder.worker import Worker

_waited: Final[ContextVar[tuple[int, int]]] = ContextVar("inferometer_urllib3_waited", default=(0, 0))
"""When a connection was asked for and given, ns; from there to the request that it was asked for."""
_attempt: Final[ContextVar[CallMark | None]] = ContextVar("inferometer_urllib3_attempt", default=None)
"""The attempt whose answer's head has not come."""
_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}

Function = Callable[..., Any]


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap connection pools and their responses.

    Raises:
        UnsupportedError: this urllib3 sends in another way.
    """
    from urllib3.response import HTTPResponse  # noqa: PLC0415 - its connections' module has imported it

    pool = module.HTTPConnectionPool
    require(pool, "_get_conn", "_make_request")
    require(HTTPResponse, "__init__", "close", "release_conn")
    replace(worker, hook, pool, "_get_conn", lambda original: _get_conn(worker, hook, original))
    replace(worker, hook, pool, "_make_request", lambda original: _make_request(worker, hook, original))
    replace(worker, hook, HTTPResponse, "__init__", lambda original: _answer(worker, hook, original))
    replace(worker, hook, HTTPResponse, "release_conn", ending)
    replace(worker, hook, HTTPResponse, "close", ending)


def _get_conn(worker: Worker, hook: str, original: Function) -> Function:
    def _get_conn(self: Any, *args: Any, **kwargs: Any) -> Any:
        if current() is None:
            return original(self, *args, **kwargs)
        asked = now()
        try:
            connection = original(self, *args, **kwargs)
        except BaseException as error:
            _gave_up(worker, hook, self, asked, error)
            raise
        _waited.set((asked, now()))
        return connection

    return _get_conn


def _gave_up(worker: Worker, hook: str, pool: Any, asked: int, error: BaseException) -> None:
    """No connection came free: an attempt that never got further than the pool."""
    begun = begin(worker, hook, _target(pool), "", lambda _: None)
    if begun is not None:
        mark, _ = begun
        mark.start = asked
        failed(mark, error, waited=True)
        if type(error).__name__ == "EmptyPoolError":
            # Its name does not say that a time had passed.
            mark.outcome = Outcome.TIMEOUT


def _target(pool: Any) -> str:
    return str(pool.host) if pool.port in {None, _PORTS.get(pool.scheme)} else f"{pool.host}:{pool.port}"


def _make_request(worker: Worker, hook: str, original: Function) -> Function:
    def _make_request(self: Any, conn: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        # As urllib3 calls it, headers come by name.
        begun = _begin(worker, hook, self, method, kwargs) if current() is not None and not args else None
        if begun is None:
            return original(self, conn, method, url, *args, **kwargs)
        mark, headers = begun
        _attempt.set(mark)
        try:
            response = original(self, conn, method, url, **{**kwargs, "headers": headers})
        except BaseException as error:
            _attempt.set(None)
            failed(mark, error, waited=False)
            raise
        # Version 1 makes its response of what this returns; for others than HTTP/1.1 there is another class.
        if not mark.headers and not hasattr(response, "msg"):
            answered(worker, hook, mark, response.status, response.headers)
            mark.end = mark.headers
        return response

    return _make_request


def _begin(worker: Worker, hook: str, pool: Any, method: str, kwargs: Mapping[str, Any]) -> tuple[CallMark, Any] | None:
    """The mark of the attempt and all its headers, which are copied: those of the caller may serve other attempts."""
    try:
        given_headers = kwargs.get("headers")
        headers: Any = {} if given_headers is None else given_headers.copy()
        lower = {str(name).lower(): name for name in headers}

        def given(name: str) -> str | None:
            value: Any = headers.get(lower.get(name, name))
            return value.decode("latin-1") if isinstance(value, bytes) else value

        begun = begin(worker, hook, _target(pool), method, given)
        if begun is None:
            return None
        mark, added = begun
        asked, got = _waited.get()
        _waited.set((0, 0))
        mark.sent = got or mark.start
        mark.start = asked or mark.start
        for name, value in added.items():
            headers[lower.get(name, name)] = value
    except Exception as error:  # noqa: BLE001 - the edge: the call goes out without us
        worker.hooks.failed(hook, error)
        return None
    return mark, headers


def _answer(worker: Worker, hook: str, original: Function) -> Function:
    def __init__(self: Any, body: Any = "", headers: Any = None, status: int = 0, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it becomes that method
        mark = _attempt.get()
        if mark is not None:
            _attempt.set(None)
            answered(worker, hook, mark, status, headers)
            # The body may be read before this returns.
            setattr(self, MARK, mark)
        original(self, body, headers, status, *args, **kwargs)

    return __init__
