"""Limits of every HTTP port that uvicorn serves: connections, time to ask, time to read an answer, and who may ask."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from inferometer.access import Access
from inferometer.catalog import telemetry
from inferometer.catalog.labels import REFUSAL
from inferometer_exporters.browser_guard import Browsers
from inferometer_exporters.tally import Tally

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]

MAX_CONNECTIONS: Final = 128
ASK_SECONDS: Final = 10.0
"""A request that is not whole so long after its first byte is given up; so is a connection without one."""
READ_SECONDS: Final = 30.0
"""A client that does not take a part of its answer for so long is given up."""
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than exporters pause between two requests, so that they need no new connection for each."""
MAX_HEAD: Final = 16_384
"""Bytes of a request's line and headers."""
_OPEN_PATH: Final = "/healthz"
"""Says only whether we are well: probes of orchestrators carry no token."""
UNAUTHORIZED: Final = b"unauthorized\n"
_UNAUTHORIZED: Final = REFUSAL.values[0]
_TOO_SLOW, _TOO_MANY = REFUSAL.values[3:5]
_FOREIGN: Final = REFUSAL.values[-1]


@dataclass(frozen=True, slots=True)
class Limits:
    """Of the connections of one port."""

    tally: Tally
    port: str
    max_connections: int
    ask_seconds: float


class Guarded(H11Protocol):
    """HTTP/1.1 of uvicorn, which by itself waits for ever for the end of a head or of a body."""

    limits: ClassVar[Limits]
    _overdue: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Take the connection, if there is room."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.max_connections:
            self._give_up(_TOO_MANY)
        else:
            self._expect()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        super().data_received(data)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._cancel()
        super().connection_lost(exc)

    def _expect(self) -> None:
        """Let the clock run exactly while a request is on its way."""
        if self.conn.their_state not in {h11.IDLE, h11.SEND_BODY}:
            self._cancel()
        elif self._overdue is None:
            self._overdue = self.loop.call_later(self.limits.ask_seconds, self._give_up, _TOO_SLOW)

    def _cancel(self) -> None:
        overdue, self._overdue = self._overdue, None
        if overdue is not None:
            overdue.cancel()

    def _give_up(self, reason: str) -> None:
        self._overdue = None
        if not self.transport.is_closing():
            self.limits.tally.add(telemetry.REFUSALS, (self.limits.port, reason))
            self.transport.abort()


def guarded(
    tally: Tally, port: str, *, max_connections: int = MAX_CONNECTIONS, ask_seconds: float = ASK_SECONDS
) -> type[Guarded]:
    """HTTP/1.1 with a bound on connections, and on the time that a request may take to come.

    Args:
        tally: counts refusals.
        port: value of the label ``port``.
        max_connections: open at once.
        ask_seconds: for a whole request, from the connection's start or the request's first byte.
    """
    return type("Guarded", (Guarded,), {"limits": Limits(tally, port, max_connections, ask_seconds)})


def guard(
    application: Application,
    access: Access,
    tally: Tally,
    port: str,
    *,
    read_seconds: float = READ_SECONDS,
    browsers: Browsers | None = None,
) -> Application:
    """An ASGI application that hears only whom *access* admits, and gives up clients that do not read.

    Args:
        application: what is guarded.
        access: what the port asks for.
        tally: counts refusals.
        port: value of the label ``port``.
        read_seconds: for each part of an answer.
        browsers: rules for those who ask from a browser; None: nobody does.
    """

    async def guarded_application(scope: Any, receive: Receive, send: Send) -> None:
        async def bounded(message: Message) -> None:
            async with asyncio.timeout(read_seconds):
                await send(message)

        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        if browsers is not None and (why := browsers.refusal(scope["headers"])):
            tally.add(telemetry.REFUSALS, (port, _FOREIGN))
            await answer(bounded, 403, why.encode(), {})
            return
        is_open = scope["path"] == _OPEN_PATH or (browsers is not None and browsers.is_open(scope["path"]))
        shown = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        if not is_open and not access.admits(shown.decode("latin-1")):
            tally.add(telemetry.REFUSALS, (port, _UNAUTHORIZED))
            await answer(bounded, 401, UNAUTHORIZED, {"www-authenticate": "Bearer"})
            return
        try:
            await application(scope, receive, bounded)
        except TimeoutError:
            tally.add(telemetry.REFUSALS, (port, _TOO_SLOW))
            raise

    return guarded_application


async def answer(send: Send, status: int, body: bytes, headers: dict[str, str]) -> None:
    """Send a whole answer; plain text where *headers* do not say what it is."""
    named = {"content-type": "text/plain; charset=utf-8"} | headers | {"content-length": str(len(body))}
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


def served(application: Application, access: Access, tally: Tally, port: str) -> uvicorn.Config:
    """How uvicorn serves a guarded application on a port of ours.

    Raises:
        RefusedError: a certificate cannot be used.
    """
    certificates = access.certificates
    tls: dict[str, Any] = {}
    if certificates is not None:
        # uvicorn's own words for a file that cannot be used do not name it.
        certificates.context()
        tls = {"ssl_certfile": str(certificates.certificate), "ssl_keyfile": certificates.key}
        if certificates.client_authority is not None:
            tls |= {"ssl_ca_certs": str(certificates.client_authority), "ssl_cert_reqs": ssl.CERT_REQUIRED}
    return uvicorn.Config(
        application,
        http=guarded(tally, port),
        ws="none",
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        h11_max_incomplete_event_size=MAX_HEAD,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
        **tls,
    )
