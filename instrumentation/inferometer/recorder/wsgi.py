"""The wrapper around a WSGI application that records its requests."""

from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from inferometer.recorder.asgi import RECORDED
from inferometer.recorder.request import current, current_request
from inferometer.recorder.this_process import worker as worker_of_this_process
from inferometer.recorder.worker import Worker
from inferometer.recorder.wsgi_answer import answer
from inferometer.recorder.wsgi_body import Body
from inferometer.recorder.wsgi_request import WSGI_HOOK, WsgiRequest

Method = Callable[[Any, WSGIEnvironment, StartResponse], Iterable[bytes]]
"""``__call__`` of an application's class."""


def wsgi(app: WSGIApplication) -> WSGIApplication:
    """Record the requests of a WSGI application, where no hook can reach it.

    Flask and Django need no such line; applied to them it changes nothing. A request ends when the server has iterated
    the answer; what the application does in its ``close`` is outside of the duration.

    Args:
        app: the application, of any framework or none.

    Returns:
        The application to give to the server.
    """
    return RecordedApplication(app)


class RecordedApplication:
    """An application whose requests are recorded; it is pickled as what it was made of."""

    def __init__(self, app: WSGIApplication) -> None:
        worker = worker_of_this_process()
        self._app = app
        self._recorded: Method | None = recording(
            worker, lambda _, environ, start_response: app(environ, start_response)
        )
        worker.hooks.on_failure(WSGI_HOOK, self._take_out)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Be the application."""
        recorded = self._recorded
        return self._app(environ, start_response) if recorded is None else recorded(self, environ, start_response)

    def __reduce__(self) -> tuple[Callable[[WSGIApplication], WSGIApplication], tuple[WSGIApplication]]:
        return wsgi, (self._app,)

    def _take_out(self) -> None:
        self._recorded = None


def recording(worker: Worker, call: Method) -> Method:
    """*call* with its requests recorded."""
    set_current, reset_current = current_request.set, current_request.reset
    excluded = worker.excluded_paths
    wanted = [(_variable(name), name) for name in sorted(worker.wanted_headers)]

    def begin(environ: WSGIEnvironment, start_response: StartResponse) -> WsgiRequest | None:
        if not worker.started:
            worker.start(ready=False)
        # It is not started where it is switched off.
        environ[RECORDED] = worker.started and environ.get("PATH_INFO") not in excluded
        if not environ[RECORDED]:
            return None
        return WsgiRequest(worker, environ, _headers(environ, wanted), start_response)

    def __call__(self: Any, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:  # noqa: N807 - it becomes one
        # Applications nest, and an ASGI server may call this one from a request that is recorded already.
        if RECORDED in environ or current() is not None:
            return call(self, environ, start_response)
        request = None
        try:
            request = begin(environ, start_response)
            if request is not None and _has_body(environ):
                environ["wsgi.input"] = Body(request, environ["wsgi.input"])
        except Exception as error:  # noqa: BLE001 - the edge: the request goes on, with what we have of it
            worker.hooks.failed(WSGI_HOOK, error)
        if request is None:
            return call(self, environ, start_response)
        token = set_current(request)
        try:
            returned = call(self, environ, request.start_response)
        except BaseException as error:
            request.raise_(error)
            request.close()
            raise
        finally:
            reset_current(token)
        return _answer(worker, request, returned)

    return __call__


def _variable(header: bytes) -> str:
    return "HTTP_" + header.decode("latin-1").upper().replace("-", "_")


def _headers(environ: WSGIEnvironment, wanted: list[tuple[str, bytes]]) -> list[tuple[bytes, bytes]]:
    # What stands in front of us may have put anything there.
    return [
        (name, value.encode("latin-1", "replace"))
        for key, name in wanted
        if key in environ and isinstance(value := environ[key], str)
    ]


def _has_body(environ: WSGIEnvironment) -> bool:
    return environ.get("CONTENT_LENGTH") not in {None, "", "0"} or "HTTP_TRANSFER_ENCODING" in environ


def _answer(worker: Worker, request: WsgiRequest, returned: Any) -> Iterable[bytes]:
    try:
        made: Iterable[bytes] = answer(request, returned)
    except Exception as error:  # noqa: BLE001 - the edge
        worker.hooks.failed(WSGI_HOOK, error)
        request.begin()
        request.close()
        made = returned
    return made
