"""gRPC, threaded client: each call by each of the ways in which a method can be called.

All of them go through the classes of ``grpc._channel`` that a channel makes, so channels that are there already are
reached, too. A call gets a copy of its method with a serializer and a deserializer of its own; one that blocks, of a
method that is unary both ways, does all of it in its own thread, so one copy serves all such calls of a method.
"""

import threading
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
Copy = Callable[[Any, Any], Any]


class _Here(threading.local):
    """The call of this thread."""

    call: OutgoingCall | None = None


class _Codec:
    """Stands for the serializer and the deserializer of a method, for whichever call this thread is at."""

    __slots__ = ("_deserializer", "_here", "_serializer")

    def __init__(self, method: Any, here: _Here) -> None:
        self._serializer = method._request_serializer  # noqa: SLF001 - the library has no public name for it
        self._deserializer = method._response_deserializer  # noqa: SLF001 - the library has no public name for it
        self._here = here

    def serialize(self, message: Any) -> Any:
        call = self._here.call
        if call is not None:
            return call.serialized(self._serializer, message)
        return message if self._serializer is None else self._serializer(message)

    def deserialize(self, data: bytes) -> Any:
        call = self._here.call
        if call is not None:
            return call.deserialized(self._deserializer, data)
        return data if self._deserializer is None else self._deserializer(data)


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the calls of every kind of method.

    Raises:
        UnsupportedError: one of the kinds is not there, or is called in another way.
    """
    classes = {name: getattr(module, name, None) for name in (*_UNARY, *_STREAMS)}
    missing = [name for name, found in classes.items() if found is None]
    if missing:
        raise UnsupportedError(f"grpc._channel has no {', '.join(missing)}")
    here = _Here()
    for name in _UNARY:
        copy = _copying(classes[name])
        streams = "Stream" in name
        blocking = _streaming(worker, hook, copy) if streams else _blocking(worker, hook, copy, here)
        replace(worker, hook, classes[name], "_blocking", blocking)
        replace(worker, hook, classes[name], "future", _future(worker, hook, copy, streams=streams))
    for name in _STREAMS:
        replace(worker, hook, classes[name], "__call__", _stream(worker, hook, _copying(classes[name])))


def _copying(kind: Any) -> Copy:
    slots = [
        slot
        for base in kind.__mro__
        for slot in getattr(base, "__slots__", ())
        if slot not in ("__weakref__", "__dict__")
    ]

    def copy(method: Any, codec: Any) -> Any:
        """The method as calls are to find it whose messages *codec* codes."""
        made = kind.__new__(kind)
        for slot in slots:
            setattr(made, slot, getattr(method, slot))
        vars(made).update(vars(method))
        made._request_serializer = codec.serialize  # noqa: SLF001 - the library has no public name for it
        made._response_deserializer = codec.deserialize  # noqa: SLF001 - the library has no public name for it
        return made

    return copy


def _outgoing(worker: Worker, hook: str, method: Any, metadata: Any) -> OutgoingCall | None:
    return begin(worker, hook, method._method, getattr(method, "_target", ""), metadata)  # noqa: SLF001 - the library has no public name for it


def _copied(worker: Worker, hook: str, copy: Copy, method: Any, call: OutgoingCall, *, streams: bool) -> Any:
    try:
        call.between(method._request_serializer, method._response_deserializer, streams=streams)  # noqa: SLF001 - the library has no public name for it
        return copy(method, call)
    except Exception as error:  # noqa: BLE001 - the edge: the call goes out, only its serialization is not known
        worker.hooks.failed(hook, error)
        return method


def _twin(worker: Worker, hook: str, copy: Copy, method: Any, here: _Here) -> Any:
    try:
        twin = method.inferometer_twin = copy(method, _Codec(method, here))
    except Exception as error:  # noqa: BLE001 - the edge: the call goes out, only its serialization is not known
        worker.hooks.failed(hook, error)
        return method
    return twin


def _blocking(worker: Worker, hook: str, copy: Copy, here: _Here) -> Callable[[Call], Call]:
    def make(original: Call) -> Call:
        def _blocking(
            self: Any, request: Any, timeout: Any = None, metadata: Any = None, *args: Any, **more: Any
        ) -> Any:
            call = begin(worker, hook, self._method, getattr(self, "_target", ""), metadata)
            if call is None:
                return original(self, request, timeout, metadata, *args, **more)
            method = getattr(self, "inferometer_twin", None) or _twin(worker, hook, copy, self, here)
            before, here.call = here.call, call
            try:
                state, inner = original(method, request, timeout, call.metadata, *args, **more)
            except BaseException as error:
                _raised(call, error)
                raise
            finally:
                here.call = before
            call.ended(code_of(state.code), state.trailing_metadata)
            return state, inner

        return _blocking

    return make


def _streaming(worker: Worker, hook: str, copy: Copy) -> Callable[[Call], Call]:
    def make(original: Call) -> Call:
        def _blocking(
            self: Any, request: Any, timeout: Any = None, metadata: Any = None, *args: Any, **more: Any
        ) -> Any:
            call = _outgoing(worker, hook, self, metadata)
            if call is None:
                return original(self, request, timeout, metadata, *args, **more)
            method = _copied(worker, hook, copy, self, call, streams=True)
            try:
                state, inner = original(method, request, timeout, call.metadata, *args, **more)
            except BaseException as error:
                _raised(call, error)
                raise
            call.ended(code_of(state.code), state.trailing_metadata)
            return state, inner

        return _blocking

    return make


def _future(worker: Worker, hook: str, copy: Copy, *, streams: bool) -> Callable[[Call], Call]:
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


def _stream(worker: Worker, hook: str, copy: Copy) -> Callable[[Call], Call]:
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
