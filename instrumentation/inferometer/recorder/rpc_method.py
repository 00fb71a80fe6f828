"""What is known of a server's methods by gRPC: asked of a handler once, not with every call."""

import inspect
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_METHODS: Final = 1024
# The questions of tools are no inference, as with the paths that settings leave out.
# Nor is telemetry, or what the processes of Ray tell each other.
PROBES: Final = (
    "/grpc.health.v1.Health/", "/grpc.reflection.", "/grpc.channelz.", "/opentelemetry.proto.collector.", "/ray.rpc.",
)  # fmt: skip
_WISHES: Final = ("experimental_non_blocking", "experimental_thread_pool")
"""Attributes of a behaviour by which it says in which way and where it wants to be called."""

Function = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method and its handler."""

    handler: object
    route: str
    """``package.Service/Method``."""
    behaviour: Callable[..., Any]
    deserializer: Function | None
    serializer: Function | None
    streams_in: bool
    streams_out: bool
    is_coroutine: bool
    """Calling the behaviour gives something to await."""
    is_generator: bool
    """Calling the behaviour gives an asynchronous generator."""
    wishes: Mapping[str, object]


def _nothing(*_: Any) -> None:
    """What a method does that nobody has."""


NO_METHOD: Final = Method(
    handler=None, route="", behaviour=_nothing, deserializer=None, serializer=None, streams_in=False, streams_out=False,
    is_coroutine=False, is_generator=False, wishes={},
)  # fmt: skip
"""Of a call whose method is not found, or not yet."""


class Names:
    """Methods by what a server calls them, with those left out that are no inference: asked once of each."""

    __slots__ = ("_excluded", "known")

    def __init__(self, excluded: Container[str]) -> None:
        """*excluded* are names that settings leave out."""
        self._excluded = excluded
        self.known: dict[str | bytes, str] = {}
        """What `of` answered: looked at first where a call costs too much."""

    def of(self, raw: str | bytes) -> str:
        """The name as text; empty where its calls are not recorded."""
        name = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
        if name.startswith(PROBES) or name in self._excluded:
            name = ""
        # Clients may ask for anything.
        if len(self.known) < MAX_METHODS:
            self.known[raw] = name
        return name


class Methods:
    """Methods by name, each with the handler that it had last."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[str, Method] = {}

    def of(self, name: str, handler: Any) -> Method:
        """The method ``/package.Service/Method`` with this handler."""
        method = self._known.get(name)
        if method is None or method.handler is not handler:
            method = _method(name, handler)
            if name in self._known or len(self._known) < MAX_METHODS:
                self._known[name] = method
        return method


def _method(name: str, handler: Any) -> Method:
    streams_in, streams_out = bool(handler.request_streaming), bool(handler.response_streaming)
    arity = ("stream_" if streams_in else "unary_") + ("stream" if streams_out else "unary")
    behaviour: Callable[..., Any] = getattr(handler, arity)
    return Method(
        handler=handler,
        route=name.removeprefix("/"),
        behaviour=behaviour,
        deserializer=handler.request_deserializer,
        serializer=handler.response_serializer,
        streams_in=streams_in,
        streams_out=streams_out,
        # As the asyncio server itself tells them apart.
        is_coroutine=inspect.iscoroutinefunction(behaviour),
        is_generator=inspect.isasyncgenfunction(behaviour),
        wishes={wish: getattr(behaviour, wish) for wish in _WISHES if hasattr(behaviour, wish)},
    )
