"""gRPC, threaded server: every call from its arrival at the server's thread to the moment its status is handed over.

A call is found its handler by the server's own thread, waits for a thread of the pool, is read and decoded by the
server's thread again while the pool's waits, and is answered by the pool's. The functions of ``grpc._server`` that do
so are looked up as its globals, 1.60 to 1.85, and are given the call's state. So four places are enough, our part is
outside of all interceptors, and what the server refuses by itself is seen, too.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.grpc_threaded_call import ThreadedCall
from inferometer.hooks.patching import UnsupportedError, replace
from inferometer.recorder.request import current_request, now
from inferometer.recorder.rpc_method import Methods, Names
from inferometer.recorder.rpc_request import headers, wanted_metadata
from inferometer.recorder.rpc_status import code_of
from inferometer.recorder.worker import Worker

KEY: Final = "inferometer_request"
"""Where a call's state keeps its request."""
_NAMES: Final = ("_find_method_handler", "_reject_rpc", "_unary_response_in_pool", "_stream_response_in_pool")


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Replace the four, and start sending when a server starts.

    Raises:
        UnsupportedError: one of them is not there.
    """
    missing = [name for name in (*_NAMES, "_CANCELLED") if not hasattr(module, name)]
    if missing:
        raise UnsupportedError(f"grpc._server has no {', '.join(missing)}")
    makers = (_find(worker, hook, module), _reject(worker, hook), _in_pool(worker, hook), _in_pool(worker, hook))
    for name, make in zip(_NAMES, makers, strict=True):
        replace(worker, hook, module, name, make)
    replace(worker, hook, module._Server, "start", starting(worker, hook))  # noqa: SLF001 - the class that servers have


def starting(worker: Worker, hook: str, before: Callable[[], None] | None = None) -> Callable[[Any], Any]:
    """Makes of a server's ``start`` one that starts the worker, too, and before that calls *before*."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def start(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                if before is not None:
                    before()
                worker.start()
            except Exception as error:  # noqa: BLE001 - the edge
                worker.hooks.failed(hook, error)
            return original(self, *args, **kwargs)

        return start

    return make


def started(worker: Worker) -> bool:
    """Whether a worker that was not started is now: by a call that is the first sign of a server."""
    worker.start(ready=False)
    return worker.started


def _find(worker: Worker, hook: str, module: ModuleType) -> Callable[[Any], Any]:
    wanted, known, found = wanted_metadata(worker), Methods(), Names(worker.excluded_paths)
    names, name_of = found.known, found.of
    cancelled = module._CANCELLED  # noqa: SLF001 - install() has looked for it

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def _find_method_handler(rpc_event: Any, state: Any, methods: Any, *args: Any) -> Any:
            call, method = None, ""
            try:
                # Of methods that are registered by name the event does not say which it is.
                raw = rpc_event.call_details.method or methods.name()
                method = names.get(raw) or name_of(raw)
                # It is not started where it is switched off.
                if method and (worker.started or started(worker)):
                    call = ThreadedCall(worker, hook, headers(rpc_event.invocation_metadata, wanted), state, cancelled)
                    setattr(state, KEY, call)
            except Exception as error:  # noqa: BLE001 - the edge: the call goes on without us
                worker.hooks.failed(hook, error)
                call = None
            if call is None:
                return original(rpc_event, state, methods, *args)
            try:
                handler = original(rpc_event, state, methods, *args)
            except Exception as error:
                call.raise_(error)
                raise
            if handler is None:
                return None
            try:
                call.serve(known.of(method, handler))
                call.endpoint = now()
            except Exception as error:  # noqa: BLE001 - the edge: the call goes on without us
                delattr(state, KEY)
                worker.open.pop(call.span_id, None)
                worker.hooks.failed(hook, error)
                return handler
            return call

        return _find_method_handler

    return make


def _reject(worker: Worker, hook: str) -> Callable[[Any], Any]:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def _reject_rpc(rpc_event: Any, rpc_state: Any, status: Any, *args: Any) -> Any:
            result = original(rpc_event, rpc_state, status, *args)
            try:
                call = getattr(rpc_state, KEY, None)
                if call is not None:
                    call.ended_with(code_of(status), now())
            except Exception as error:  # noqa: BLE001 - the edge
                worker.hooks.failed(hook, error)
            return result

        return _reject_rpc

    return make


def _in_pool(worker: Worker, hook: str) -> Callable[[Any], Any]:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def response_in_pool(rpc_event: Any, state: Any, *args: Any) -> None:
            call = getattr(state, KEY, None)
            if call is None:
                original(rpc_event, state, *args)
                return
            call.thread = now()
            if not call.method.streams_in:
                call.body_start = call.thread
            token = current_request.set(call)
            try:
                original(rpc_event, state, *args)
            finally:
                current_request.reset(token)
                try:
                    call.finished(rpc_event)
                except Exception as error:  # noqa: BLE001 - the edge: the answer is given, only our record is lost
                    worker.open.pop(call.span_id, None)
                    worker.hooks.failed(hook, error)

        return response_in_pool

    return make
