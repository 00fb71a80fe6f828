"""Flask: every application's requests, by its class, and where their endpoint begins, decodes and encodes.

The handler is everything from the dispatch on, functions of ``before_request`` and ``after_request`` included. Inside
it, JSON and forms that are parsed are `deserialize`, JSON that is made and what becomes a response is `serialize`.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import fields
from types import ModuleType
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIEnvironment

from inferometer.catalog.stages import Stage
from inferometer.hooks.patching import override, replace, require
from inferometer.recorder.hook_states import FAILED
from inferometer.recorder.request import OpenRequest, current_request
from inferometer.recorder.worker import Worker
from inferometer.recorder.wsgi import Method, recording
from inferometer.recorder.wsgi_request import WSGI_HOOK, WsgiRequest
from inferometer.settings import Settings

now = time.monotonic_ns
current = current_request.get
_SHORTEST_NS: Final = 2_000
"""What took less is a look at what was parsed before, or a response that was one already."""
_UNNAMED: Final[object] = next(field.default for field in fields(Settings) if field.name == "service")
"""The service of a process that nothing names, such as one that ``flask run`` started."""
_SCRIPT: Final = "__main__"

Function = Callable[..., Any]


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap ``Flask.__call__``, and what each request goes through.

    Raises:
        UnsupportedError: this Flask dispatches in another way; its requests are recorded where it can be called.
    """
    flask = module.Flask
    # What fails on the path of a request is counted for one hook, whichever framework the application has.
    replace(worker, WSGI_HOOK, flask, "__call__", lambda original: _named(worker, recording(worker, original)))
    worker.hooks.on_failure(WSGI_HOOK, lambda: worker.hooks.set(hook, FAILED))
    require(flask, "full_dispatch_request", "handle_exception", "make_response")
    replace(worker, hook, flask, "full_dispatch_request", lambda original: _endpoint(worker, hook, original))
    replace(worker, hook, flask, "handle_exception", _raised)
    replace(worker, hook, flask, "make_response", _response)
    override(worker, hook, flask.json_provider_class, "response", _encoding)
    override(worker, hook, flask.request_class, "get_json", _decoding)
    override(worker, hook, flask.request_class, "_load_form_data", _decoding)


def _named(worker: Worker, recorded: Method) -> Method:
    """*recorded*, which first names the service after the application's module, where nothing else told it."""

    def __call__(self: Any, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:  # noqa: N807 - it becomes one
        if not worker.started and worker.shapes.service == _UNNAMED:
            name = getattr(self, "import_name", _SCRIPT)
            if isinstance(name, str) and name != _SCRIPT:
                worker.name_service(name)
        return recorded(self, environ, start_response)

    return __call__


def _endpoint(worker: Worker, hook: str, original: Function) -> Function:
    def full_dispatch_request(*args: Any, **kwargs: Any) -> Any:
        request = current()
        if request is not None and not request.endpoint:
            request.endpoint = now()
            try:
                if isinstance(request, WsgiRequest):
                    _routed(request)
            except Exception as error:  # noqa: BLE001 - the edge
                worker.hooks.failed(hook, error)
        return original(*args, **kwargs)

    return full_dispatch_request


def _routed(request: WsgiRequest) -> None:
    """Flask has looked for the route; its request is where werkzeug leaves it."""
    environ = request.environ
    rule = environ["werkzeug.request"].url_rule if environ is not None else None
    if rule is not None:
        request.routed(rule.rule)


def _raised(original: Function) -> Function:
    def handle_exception(self: Any, e: Exception, *args: Any, **kwargs: Any) -> Any:
        # It becomes an answer of 500 here: what it was would be lost.
        request = current()
        if request is not None:
            request.raise_(e)
        return original(self, e, *args, **kwargs)

    return handle_exception


def _response(original: Function) -> Function:
    encoding = _encoding(original)

    def make_response(self: Any, rv: Any, *args: Any, **kwargs: Any) -> Any:
        # Of a response nothing is made.
        return (original if isinstance(rv, self.response_class) else encoding)(self, rv, *args, **kwargs)

    return make_response


def _encoding(original: Function) -> Function:
    def encoding(*args: Any, **kwargs: Any) -> Any:
        request = current()
        if request is None:
            return original(*args, **kwargs)
        begun = now()
        try:
            return original(*args, **kwargs)
        finally:
            _mark(request, begun, Stage.SERIALIZE)

    return encoding


def _decoding(original: Function) -> Function:
    def decoding(*args: Any, **kwargs: Any) -> Any:
        request = current()
        if request is None:
            return original(*args, **kwargs)
        begun = now()
        try:
            return original(*args, **kwargs)
        finally:
            # The body may be read meanwhile, which is the network's.
            _mark(request, max(begun, request.body_end), Stage.DESERIALIZE)

    return decoding


def _mark(request: OpenRequest, begun: int, stage: Stage) -> None:
    end = now()
    if end - begun >= _SHORTEST_NS:
        request.add_interval(begun, end, stage)
