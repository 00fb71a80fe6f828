"""The requests of a replica of Ray Serve: what came over HTTP through the proxy, and what came from a handle."""

from collections.abc import Awaitable
from typing import Any, Final

from inferometer.hooks.ray_serve import Caller
from inferometer.recorder.asgi_request import AsgiRequest
from inferometer.recorder.protocol import Message, Receive, Scope
from inferometer.recorder.request import OpenRequest, now
from inferometer.recorder.worker import Worker

_OK: Final = 200


class HttpRequest(AsgiRequest):
    """A request that came through the proxy; its receive and send are known when the user's code is called."""

    __slots__ = ("prefix", "ready")

    def __init__(self, worker: Worker, scope: Scope, prefix: str) -> None:
        super().__init__(worker, scope, _not_yet, _not_yet)
        self.prefix = prefix
        self.ready = 0
        """ns at which it had a place in the replica."""

    def place(self) -> tuple[str, str]:
        """(method, route): where the deployment has no router, its prefix."""
        method, route = super().place()
        return method, route or self.prefix


class HandleRequest(OpenRequest):
    """A request of a deployment handle: a method is called, and what it returns is the answer."""

    __slots__ = ("ready", "route")

    def __init__(self, worker: Worker, caller: Caller | None, route: str) -> None:
        super().__init__(worker, () if caller is None else caller.headers())
        if caller is not None:
            self.tenant, self.request_class = caller.tenant, caller.request_class
        self.route = route
        self.ready = 0

    def place(self) -> tuple[str, str]:
        """No method of HTTP; the route is the method that is called."""
        return "", self.route

    def part(self) -> None:
        """An item of a stream is handed over."""
        self.last = now()
        self.chunks += 1
        if not self.first_chunk:
            self.first_chunk = self.last

    def answered(self) -> None:
        """It ends without an error."""
        self.status = _OK
        self.last = self.last or now()


async def _not_yet(*_: Any) -> Any:
    raise RuntimeError("the request is not attached to its connection")


class AttachedReceive:
    """The server's receive in everything but the call: Ray asks it for more."""

    def __init__(self, request: AsgiRequest, receive: Receive) -> None:
        self._request = request
        self._receive = receive

    def __getattr__(self, name: str) -> Any:
        return getattr(self._receive, name)

    def __call__(self) -> Awaitable[Message]:
        """A message of the server, seen by the request."""
        return self._request.receive()
