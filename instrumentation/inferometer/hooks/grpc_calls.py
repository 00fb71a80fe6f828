"""Outgoing calls by gRPC, threaded and asyncio: what goes out with one, and what is recorded of it.

The trailing metadata of a callee that is instrumented says how long it was at work, so the call's network time is the
rest. Calls are recorded where grpc sends them, below all interceptors: who retries makes several attempts.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final

from inferometer.catalog.stages import Stage
from inferometer.recorder.calls import CallMark
from inferometer.recorder.headers import SERVER_TIMING, TRACEPARENT, TRACESTATE, parse_server_timing
from inferometer.recorder.propagation import BAGGAGE, attempt
from inferometer.recorder.request import OpenRequest, current_request, now
from inferometer.recorder.rpc_status import CANCELLED, DEADLINE_EXCEEDED, OUTCOMES
from inferometer.recorder.stretches import DECODE, ENCODE, Stretches
from inferometer.recorder.worker import Worker

_CARRIED: Final = frozenset({TRACEPARENT, TRACESTATE, BAGGAGE})
_NOTHING: Final[dict[str, str]] = {}
"""Of our headers, in a call that has no metadata of its own."""
_MAX_U8: Final = 255
_GIVEN_UP: Final = frozenset({CANCELLED, DEADLINE_EXCEEDED})
_SHORT_NS: Final = 20_000
"""A message that is coded faster stays a part of the handler: to tell of it takes about as long."""
_SCHEMES: Final = ("dns:///", "dns:", "passthrough:///", "ipv4:", "ipv6:")

Pairs = tuple[tuple[str, str | bytes], ...]
Function = Callable[[Any], Any]


class OutgoingCall:
    """One attempt while it lasts; its methods stand for the serializer and the deserializer of the call's method."""

    __slots__ = (
        "_caller",
        "_deserializer",
        "_got",
        "_hook",
        "_serializer",
        "_stretches",
        "_worker",
        "mark",
        "metadata",
    )

    def __init__(self, worker: Worker, hook: str, caller: OpenRequest, mark: CallMark, metadata: Pairs) -> None:
        self.mark = mark
        self.metadata = metadata
        """Goes out instead of the metadata that the caller gave."""
        self._worker = worker
        self._hook = hook
        self._caller = caller
        self._got = 0
        self._serializer: Function | None = None
        self._deserializer: Function | None = None
        self._stretches: tuple[Stretches, Stretches] | None = None

    def between(self, serializer: Function | None, deserializer: Function | None, *, streams: bool) -> None:
        """Call these two, and say how long they take.

        Args:
            serializer: of requests, as the method has it.
            deserializer: of responses.
            streams: whether there may be several of either.
        """
        self._serializer = serializer
        self._deserializer = deserializer
        if streams:
            # Two: requests are sent by another thread than that which takes the responses.
            self._stretches = (Stretches(), Stretches())

    def serialize(self, message: Any) -> Any:
        """Stand for the method's serializer of requests."""
        return self.serialized(self._serializer, message)

    def serialized(self, inner: Function | None, message: Any) -> Any:
        """What *inner* makes of a request, and say how long that took."""
        start = now()
        data = message if inner is None else inner(message)
        try:
            end = now()
            if self._stretches is not None:
                self._stretches[0].add(self._caller, ENCODE, start, end)
            else:
                if end - start >= _SHORT_NS:
                    self._caller.add_interval(start, end, Stage.SERIALIZE)
                self.mark.start = end
        except Exception as error:  # noqa: BLE001 - the edge: the call goes out without us
            self._worker.hooks.failed(self._hook, error)
        return data

    def deserialize(self, data: bytes) -> Any:
        """Stand for the method's deserializer of responses."""
        return self.deserialized(self._deserializer, data)

    def deserialized(self, inner: Function | None, data: bytes) -> Any:
        """What *inner* makes of a response, and say how long that took."""
        start = now()
        message = data if inner is None else inner(data)
        try:
            end = now()
            if self._stretches is not None:
                self._stretches[1].add(self._caller, DECODE, start, end)
            else:
                if end - start >= _SHORT_NS:
                    self._caller.add_interval(start, end, Stage.DESERIALIZE)
                self._got = start
        except Exception as error:  # noqa: BLE001 - the edge: the answer is the caller's, with or without us
            self._worker.hooks.failed(self._hook, error)
        return message

    def ended(self, code: int, trailing: Iterable[tuple[str, Any]] | None) -> None:
        """The call has its status.

        Args:
            code: of gRPC.
            trailing: metadata that came with it.
        """
        try:
            self._ended(code, trailing)
        except Exception as error:  # noqa: BLE001 - the edge: the answer is the caller's, with or without us
            self._worker.hooks.failed(self._hook, error)

    def _ended(self, code: int, trailing: Iterable[tuple[str, Any]] | None) -> None:
        mark = self.mark
        mark.end = end = self._got or now()
        mark.status = code
        if code in _GIVEN_UP:
            mark.outcome = OUTCOMES[code]
        for key, value in trailing or ():
            if key == SERVER_TIMING and isinstance(value, str):
                mark.server_ns = parse_server_timing(value)
        if not code or mark.server_ns:
            mark.headers = end
        for stretches in self._stretches or ():
            stretches.tell(self._caller)


def begin(
    worker: Worker, hook: str, method: str | bytes, target: str | bytes, metadata: Iterable[tuple[str, Any]] | None
) -> OutgoingCall | None:
    """An attempt of the current request begins: its id goes out in traceparent. None outside a request."""
    try:
        caller = current_request.get()
        if caller is None or caller.ended:
            return None
        return _begin(caller, hook, _method_name(method), _target_name(target), tuple(metadata) if metadata else ())
    except Exception as error:  # noqa: BLE001 - the edge: the call goes out without us
        worker.hooks.failed(hook, error)
        return None


def _begin(caller: OpenRequest, hook: str, method: str, target: str, metadata: Pairs) -> OutgoingCall | None:
    worker = caller.worker
    number = 1
    if caller.calls:
        strings = worker.shapes.string
        number = _attempt(caller.calls, strings(target), strings(method))
    given = {key: _text(value) for key, value in metadata if key in _CARRIED} if metadata else _NOTHING
    begun = attempt(caller, target, method, given.get)
    if begun is None:
        return None
    mark, headers = begun
    mark.attempt = min(number, _MAX_U8)
    kept = [pair for pair in metadata if pair[0] not in headers] if given else metadata
    return OutgoingCall(worker, hook, caller, mark, (*kept, *headers.items()))


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _attempt(calls: list[CallMark], target: int, method: int) -> int:
    """1 for the first; one more for each call of the same method there that failed just before."""
    for earlier in reversed(calls):
        if earlier.target == target and earlier.method == method:
            return earlier.attempt + 1 if earlier.end and earlier.status else 1
    return 1


@lru_cache(maxsize=1024)
def _method_name(method: str | bytes) -> str:
    text = method.decode("utf-8", "replace") if isinstance(method, bytes) else method
    return text.removeprefix("/")


@lru_cache(maxsize=1024)
def _target_name(target: str | bytes) -> str:
    text = target.decode("utf-8", "replace") if isinstance(target, bytes) else target
    for scheme in _SCHEMES:
        text = text.removeprefix(scheme)
    return text
