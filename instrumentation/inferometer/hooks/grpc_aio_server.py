"""gRPC, asyncio server: every call from our interceptor, which is before all others, to the end of its task.

The server is compiled, so there is no other way in. It takes our request for the method's handler, and the request is
each call's own: the call's deserializer, behaviour and serializer are methods of it.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.grpc_loop_call import LoopCall
from inferometer.hooks.grpc_server import started, starting
from inferometer.hooks.patching import UnsupportedError, replace
from inferometer.recorder.request import current_request
from inferometer.recorder.rpc_method import Methods, Names
from inferometer.recorder.rpc_request import headers, wanted_metadata
from inferometer.recorder.rpc_status import UNIMPLEMENTED, UNKNOWN
from inferometer.recorder.worker import Worker

_INTERCEPTORS: Final = 2
"""Place of the interceptors among the arguments of ``Server``."""


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Give every server our interceptor, and start sending when one starts.

    Raises:
        UnsupportedError: the server does not take interceptors where it should.
    """
    names = list(inspect.signature(module.Server.__init__).parameters)[1:]
    if names[_INTERCEPTORS : _INTERCEPTORS + 1] != ["interceptors"]:
        raise UnsupportedError("grpc.aio.Server does not take its interceptors third")
    ours = _interceptor(worker, hook, module.ServerInterceptor)
    replace(worker, hook, module.Server, "__init__", lambda original: _with(ours, original))
    replace(worker, hook, module.Server, "start", starting(worker, hook, lambda: _ask(worker)))


def _with(ours: Any, original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it becomes that method
        if len(args) > _INTERCEPTORS:
            given = args[_INTERCEPTORS]
            args = (*args[:_INTERCEPTORS], (ours, *(given or ())), *args[_INTERCEPTORS + 1 :])
        else:
            kwargs["interceptors"] = (ours, *(kwargs.get("interceptors") or ()))
        original(self, *args, **kwargs)

    return __init__


def _interceptor(worker: Worker, hook: str, base: type) -> Any:
    opening, methods = _Opening(worker, hook), Methods()
    worker.hooks.on_failure(hook, opening.stop)

    class Interceptor(base):  # type: ignore[misc]  # grpc is imported by its user, not by us
        """Outside of all other interceptors."""

        async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
            call = opening.call(details)
            if call is None:
                return await continuation(details)
            try:
                handler = await continuation(details)
            except BaseException as error:
                call.broke(error, UNKNOWN)
                raise
            if handler is None:
                call.failure = UNIMPLEMENTED
                return None
            try:
                call.serve(methods.of(details.method, handler))
            except Exception as error:  # noqa: BLE001 - the edge: the call goes on without us
                call.abandon()
                worker.hooks.failed(hook, error)
                return handler
            return call

    return Interceptor()


def _ask(worker: Worker) -> None:
    worker.loop_lag.ask(asyncio.get_running_loop())


class _Opening:
    """Opens calls, until the hook is taken out: servers that have the interceptor keep it."""

    def __init__(self, worker: Worker, hook: str) -> None:
        self._worker = worker
        self._hook = hook
        self._wanted = wanted_metadata(worker)
        self._names = Names(worker.excluded_paths)
        self._known = self._names.known
        self._off = False

    def stop(self) -> None:
        """Open no more."""
        self._off = True

    def _start(self) -> bool:
        _ask(self._worker)
        return started(self._worker)

    def call(self, details: Any) -> LoopCall | None:
        """The call that begins here, in its own task; None where it is not recorded."""
        worker = self._worker
        try:
            method = details.method
            name = self._known.get(method) or self._names.of(method)
            # It is not started where it is switched off.
            if not name or self._off or not (worker.running[0] or self._start()):
                return None
            given = headers(details.invocation_metadata, self._wanted)
            call = LoopCall(worker, self._hook, given, asyncio.current_task())
            loop = asyncio.get_running_loop()
            # Only asyncio's own loop says what it has to do besides; to be told of a turn is not free.
            if getattr(loop, "_ready", True):
                loop.call_soon(call.turned)
            current_request.set(call)
        except Exception as error:  # noqa: BLE001 - the edge: the call goes on without us
            worker.hooks.failed(self._hook, error)
            return None
        return call
