"""gRPC, threaded client: each call by each of the ways in which a method can be called.

All of them go through the classes of ``grpc._channel`` that a channel makes, so channels that are there already are
reached, too. A call gets a copy of its method with a serializer and a deserializer of its own.
"""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.grpc_calls import OutgoingCall, begin
from inferometer.hooks.patching import UnsupportedError, replace
from inferometer.recorder.rpc_status import code_of
from inferometer.recorder.worker import Worker

_UNARY: Final = ("_UnaryUnaryMultiCallable", "_StreamUnaryMultiCallable")
_STREAMS: Final = (
    "_SingleThreadedUnaryStreamMultiCallable", "_UnaryStreamMultiCallable", "_StreamStreamMultiCallable",
)  # fmt: skip

Call = Callable[..., Any]


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the calls of every kind of method.

    Raises:
        UnsupportedError: one of the kinds is not there, or is called in another way.
    """
    classes = {name: getattr(module, name, None) for name in (*_UNARY, *_STREAMS)}
    missing = [name for name, found in classes.items() if found is None]
    if missing:
        raise UnsupportedError(f"grpc._channel has no {', '.join(missing)}")
    for name in _UNARY:
        copy = _copying(classes[name])
        streams = "Stream" in name
        replace(worker, hook, classes[name], "_blocking", _blocking(worker, hook, copy, streams=streams))
        replace(worker, hook, classes[name], "future", _future(worker, hook, copy, streams=streams))
    for name in _STREAMS:
        replace(worker, hook, classes[name], "__call__", _stream(worker, hook, _copying(classes[name])))


def _copying(kind: Any) -> Callable[[Any, OutgoingCall, bool], Any]:
    slots = [
        slot
        for base in kind.__mro__
        for slot in getattr(base, "__slots__", ())
        if slot not in ("__weakref__", "__dict__")
    ]

    def copy(method: Any, call: OutgoingCall, streams: bool) -> Any:  # noqa: FBT001 - private, called below
        """The method as this call is to find it."""
        call.between(method._request_serializer, method._response_deserializer, streams=streams)  # noqa: SLF001 - the library has no public name for it
        made = kind.__new__(kind)
        for slot in slots:
            setattr(made, slot, getattr(method, slot))
        vars(made).update(vars(method))
        made._request_serializer = call.serialize  # noqa: SLF001 - the library has no public name for it
        made._response_deserializer = call.deserialize  # noqa: SLF001 - the library has no public name for it
        return made

    return copy


def _outgoing(worker: Worker, hook: str, method: Any, metadata: Any) -> OutgoingCall | None:
    return begin(worker, hook, method._method, getattr(method, "_target", ""), metadata)  # noqa: SLF001 - the library has no public name for it


def _copied(worker: Worker, hook: str, copy: Call, method: Any, call: OutgoingCall, *, streams: bool) -> Any:
    try:
        return copy(method, call, streams)
    except Exception as error:  # noqa: BLE001 - the edge: the call goes out, only its serialization is not known
        worker.hooks.failed(hook, error)
        return method


def _blocking(worker: Worker, hook: str, copy: Call, *, streams: bool) -> Callable[[Call], Call]:
    def make(original: Call) -> Call:
        def _blocking(
            self: Any, request: Any, timeout: Any = None, metadata: Any = None, *args: Any, **more: Any
        ) -> Any:
            call = _outgoing(worker, hook, self, metadata)
            if call is None:
                return original(self, request, timeout, metadata, *args, **more)
            method = _copied(worker, hook, copy, self, call, streams=streams)
            try:
                state, inner = original(method, request, timeout, call.metadata, *args, **more)
            except BaseException as error:
                _raised(call, error)
                raise
            call.ended(code_of(state.code), state.trailing_metadata)
            return state, inner

        return _blocking

    return make


def _future(worker: Worker, hook: str, copy: Call, *, streams: bool) -> Callable[[Call], Call]:
    def make(original: Call) -> Call:
        def future(self: Any, request: Any, timeout: Any = None, metadata: Any = None, *args: Any, **more: Any) -> Any:
            call = _outgoing(worker, hook, self, metadata)
            if call is None:
                return original(self, request, timeout, metadata, *args, **more)
            method = _copied(worker, hook, copy, self, call, streams=streams)
            made = partial(original, method, request, timeout, call.metadata, *args, **more)
            return _until_done(worker, hook, call, made)

        return future

    return make


def _stream(worker: Worker, hook: str, copy: Call) -> Callable[[Call], Call]:
    def make(original: Call) -> Call:
        def __call__(  # noqa: N807 - it becomes that method
            self: Any, request: Any, timeout: Any = None, metadata: Any = None, *args: Any, **more: Any
        ) -> Any:
            call = _outgoing(worker, hook, self, metadata)
            if call is None:
                return original(self, request, timeout, metadata, *args, **more)
            method = _copied(worker, hook, copy, self, call, streams=True)
            made = partial(original, method, request, timeout, call.metadata, *args, **more)
            return _until_done(worker, hook, call, made)

        return __call__

    return make


def _until_done(worker: Worker, hook: str, call: OutgoingCall, original: Callable[[], Any]) -> Any:
    """Call, and end the attempt when the call is over, in whichever thread that is."""
    try:
        answer = original()
    except BaseException as error:
        _raised(call, error)
        raise
    try:
        state = answer._state  # noqa: SLF001 - its own accessors wait and lock

        def over() -> None:
            call.ended(code_of(state.code), state.trailing_metadata)

        if not answer.add_callback(over):
            over()
    except Exception as error:  # noqa: BLE001 - the edge: the answer is the caller's, with or without us
        worker.hooks.failed(hook, error)
    return answer


def _raised(call: OutgoingCall, error: BaseException) -> None:
    code = getattr(error, "code", None)
    call.ended(code_of(code()) if callable(code) else 0, None)
    if not call.mark.status:
        call.mark.headers = 0
