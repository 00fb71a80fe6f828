"""gRPC, threaded server: every call from its arrival at the server's thread to the moment its status is handed over.

A call is found its handler by the server's own thread, waits for a thread of the pool, is read and decoded by the
server's thread again while the pool's waits, and is answered by the pool's. The functions of ``grpc._server`` that do
so are looked up as its globals, 1.60 to 1.85, and are given the call's state. So four places are enough, our part is
outside of all interceptors, and what the server refuses by itself is seen, too.
"""

from collections.abc import Callable
from inspect import signature
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.grpc_threaded_call import ThreadedCall
from inferometer.hooks.patching import UnsupportedError, replace
from inferometer.recorder.request import current_request, now
from inferometer.recorder.rpc_method import Methods, Names
from inferometer.recorder.rpc_request import headers, wanted_metadata
from inferometer.recorder.rpc_status import OK, code_of
from inferometer.recorder.worker import Worker

_NAMES: Final = {
    "_find_method_handler": 4,
    "_reject_rpc": 4,
    "_unary_response_in_pool": 6,
    "_stream_response_in_pool": 6,
}
"""The functions, and how many parameters each has."""


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Replace the four, and start sending when a server starts.

    Raises:
        UnsupportedError: one of them is not there.
    """
    missing = [name for name in (*_NAMES, "_CANCELLED") if not hasattr(module, name)]
    if missing:
        raise UnsupportedError(f"grpc._server has no {', '.join(missing)}")
    others = [name for name, count in _NAMES.items() if len(signature(getattr(module, name)).parameters) != count]
    if others:
        raise UnsupportedError(f"grpc._server has other parameters at {', '.join(others)}")
    in_pool = _in_pool(worker, hook, module)
    for name, make in zip(_NAMES, (_find(worker, hook), _reject(worker, hook), in_pool, in_pool), strict=True):
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


def _find(worker: Worker, hook: str) -> Callable[[Any], Any]:
    wanted, methods, names = wanted_metadata(worker), Methods(), Names(worker.excluded_paths)
    known, running = names.known, worker.running

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def _find_method_handler(rpc_event: Any, state: Any, registered: Any, pipeline: Any) -> Any:
            call, name = None, ""
            try:
                # Of methods that are registered by name the event does not say which it is.
                raw = rpc_event.call_details.method or registered.name()
                name = known.get(raw) or names.of(raw)
                # It is not started where it is switched off.
                if name and (running[0] or started(worker)):
                    call = ThreadedCall(worker, hook, headers(rpc_event.invocation_metadata, wanted), state)
                    state.inferometer_request = call
            except Exception as error:  # noqa: BLE001 - the edge: the call goes on without us
                worker.hooks.failed(hook, error)
                call = None
            if call is None:
                return original(rpc_event, state, registered, pipeline)
            try:
                handler = original(rpc_event, state, registered, pipeline)
            except Exception as error:
                call.raise_(error)
                raise
            if handler is None:
                return None
            try:
                return call.serve(methods.of(name, handler))
            except Exception as error:  # noqa: BLE001 - the edge: the call goes on without us
                del state.inferometer_request
                worker.open.pop(call.span_id, None)
                worker.hooks.failed(hook, error)
                return handler

        return _find_method_handler

    return make


def _reject(worker: Worker, hook: str) -> Callable[[Any], Any]:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def _reject_rpc(rpc_event: Any, rpc_state: Any, status: Any, details: Any) -> Any:
            result = original(rpc_event, rpc_state, status, details)
            try:
                call = getattr(rpc_state, "inferometer_request", None)
                if call is not None:
                    call.ended_with(code_of(status), now())
            except Exception as error:  # noqa: BLE001 - the edge
                worker.hooks.failed(hook, error)
            return result

        return _reject_rpc

    return make


def _in_pool(worker: Worker, hook: str, module: ModuleType) -> Callable[[Any], Any]:
    cancelled = module._CANCELLED  # noqa: SLF001 - install() has looked for it

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def response_in_pool(  # noqa: PLR0917 - it has the parameters of what it stands for
            rpc_event: Any, state: Any, behaviour: Any, argument: Any, deserializer: Any, serializer: Any
        ) -> None:
            try:
                call = state.inferometer_request
            except AttributeError:
                original(rpc_event, state, behaviour, argument, deserializer, serializer)
                return
            call.thread = begun = now()
            if not call.request_streaming:
                call.body_start = begun
            token = current_request.set(call)
            try:
                original(rpc_event, state, behaviour, argument, deserializer, serializer)
            finally:
                current_request.reset(token)
                try:
                    plain = state.statused and state.code is None and call.body_end and not call.failure
                    call.ended_with(OK if plain else call.code(rpc_event, cancelled), now())
                except Exception as error:  # noqa: BLE001 - the edge: the answer is given, only our record is lost
                    worker.open.pop(call.span_id, None)
                    worker.hooks.failed(hook, error)

        return response_in_pool

    return make
