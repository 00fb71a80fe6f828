"""gRPC, asyncio client: each call that goes out, by the four classes of ``grpc.aio`` that stand for one.

Interceptors of the user's run before such a call is made, and make one per attempt.
"""

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from inferometer.hooks.grpc_calls import OutgoingCall, begin
from inferometer.hooks.patching import UnsupportedError, replace
from inferometer.recorder.worker import Worker

_CLASSES: Final = ("UnaryUnaryCall", "UnaryStreamCall", "StreamUnaryCall", "StreamStreamCall")
_PARAMETERS: Final = (
    "deadline", "metadata", "credentials", "wait_for_ready", "channel", "method", "request_serializer",
    "response_deserializer",
)  # fmt: skip
"""After the call itself and its request."""


def install(worker: Worker, module: ModuleType, hook: str) -> None:
    """Wrap the constructors.

    Raises:
        UnsupportedError: they take something else.
    """
    for name in _CLASSES:
        found = getattr(module, name, None)
        names = tuple(inspect.signature(found.__init__).parameters)[2:] if found is not None else ()
        if names[: len(_PARAMETERS)] != _PARAMETERS:
            raise UnsupportedError(f"grpc.aio has no {name} that takes {', '.join(_PARAMETERS)}")
    for name in _CLASSES:
        replace(worker, hook, getattr(module, name), "__init__", _begun(worker, hook, streams=name != _CLASSES[0]))


def _begun(worker: Worker, hook: str, *, streams: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def make(original: Callable[..., None]) -> Callable[..., None]:
        def __init__(  # noqa: N807, PLR0917 - it becomes that method
            self: Any, request: Any, deadline: Any, metadata: Any, credentials: Any, wait_for_ready: Any, channel: Any,
            method: Any, request_serializer: Any, response_deserializer: Any, *args: Any, **more: Any,
        ) -> None:  # fmt: skip
            call = begin(worker, hook, method, _target(channel), metadata)
            if call is not None:
                call.between(request_serializer, response_deserializer, streams=streams)
                metadata = call.metadata
                request_serializer, response_deserializer = call.serialize, call.deserialize
            original(
                self, request, deadline, metadata, credentials, wait_for_ready, channel, method, request_serializer,
                response_deserializer, *args, **more,
            )  # fmt: skip
            if call is not None:
                _listen(worker, hook, call, self)

        return __init__

    return make


def _target(channel: Any) -> bytes:
    target = getattr(channel, "target", b"")
    return target if isinstance(target, bytes) else b""


def _listen(worker: Worker, hook: str, call: OutgoingCall, answer: Any) -> None:
    def over(done: Any) -> None:
        try:
            status = done._cython_call._status  # noqa: SLF001 - its own accessors are coroutines
            call.ended(status.code(), status.trailing_metadata())
        except Exception as error:  # noqa: BLE001 - the edge: the answer is the caller's, with or without us
            worker.hooks.failed(hook, error)

    try:
        answer.add_done_callback(over)
    except Exception as error:  # noqa: BLE001 - the edge: the call goes on, only its end is not known
        worker.hooks.failed(hook, error)
