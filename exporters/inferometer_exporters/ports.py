"""The TCP ports of a sidecar: where they are, what they ask for, and what is said of the risky ones."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from socket import create_server
from typing import Any, Final

import uvicorn

from inferometer.access import OPEN, Access, is_loopback
from inferometer.catalog.labels import PORT
from inferometer.errors import RefusedError
from inferometer.intake.listeners import Listener, listen_tcp
from inferometer.otlp.endpoint import Endpoint
from inferometer_exporters.browser_guard import Browsers, nobody
from inferometer_exporters.receivers.inbox import Inbox
from inferometer_exporters.receivers.server import Receivers, Where
from inferometer_exporters.tally import Tally
from inferometer_exporters.web_guard import guard, served

_log = logging.getLogger(__name__)

LOOPBACK: Final = "127.0.0.1"
_API: Final = PORT.values[1]
_CLOSE_SECONDS: Final = 3.0
_HIGHEST_PORT: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Address:
    """Host and port to listen on."""

    host: str
    port: int
    is_optional: bool = False
    """Where somebody else has it, it is done without: nobody asked for this very one."""

    @classmethod
    def parse(cls, text: str) -> "Address":
        """``HOST:PORT``; ``:PORT`` and ``PORT`` mean loopback.

        Raises:
            RefusedError: there is no port in it.
        """
        host, _, port = text.rpartition(":")
        if not port.isdecimal() or int(port) > _HIGHEST_PORT:
            raise RefusedError(f"{text!r} is no address: HOST:PORT is right")
        return cls(host.strip("[]") or LOOPBACK, int(port))

    def __str__(self) -> str:
        """``HOST:PORT``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What a sidecar listens on besides ``/metrics``, the API and the socket; None: not."""

    otlp_grpc: Address | None = None
    otlp_http: Address | None = None
    frames_tcp: Address | None = None
    """Workers whose kernel is another one, or that share no folder with the sidecar."""
    access: Access = OPEN
    """Of every TCP port."""

    def all(self) -> Iterator[tuple[str, Address]]:
        """Option and address of each port that is on."""
        named = (("--otlp-grpc", self.otlp_grpc), ("--otlp-http", self.otlp_http), ("--frames-tcp", self.frames_tcp))
        for option, address in named:
            if address is not None:
                yield option, address


def exposed(addresses: Iterable[tuple[str, Address]], access: Access) -> list[str]:
    """A warning for each address that others than this host reach without showing anything."""
    shows_who = access.certificates is not None and access.certificates.client_authority is not None
    if access.token is not None or shows_who:
        return []
    return [
        f"{option} {address}: whoever reaches this host may use it; --token-file or --tls-client-ca asks who that is"
        for option, address in addresses
        if not is_loopback(address.host)
    ]


def open_frames(address: Address, access: Access) -> Listener:
    """Listen for workers' frames over TCP.

    Raises:
        RefusedError: the address is taken, or a certificate cannot be used.
    """
    context = None if access.certificates is None else access.certificates.context()
    return listen_tcp(address.host, address.port, tls=context)


def open_receivers(
    ports: Ports, inbox: Inbox, tally: Tally, trace_store: Endpoint | None
) -> tuple[Receivers | None, list[str]]:
    """Open the ports of OTLP, and say which of them are done without.

    Args:
        ports: where they are.
        inbox: where spans wait for a pass.
        tally: counts what was taken and refused.
        trace_store: where spans go; it cannot be where they come from.

    Raises:
        RefusedError: an address that somebody asked for is taken or the trace store's, or a certificate cannot be used.
    """
    notes: list[str] = []
    grpc = _usable(ports.otlp_grpc, "OTLP over gRPC", trace_store, notes)
    http = _usable(ports.otlp_http, "OTLP over HTTP", trace_store, notes)
    if grpc is None and http is None:
        return None, notes
    where = Where(grpc=grpc, http=http)
    return Receivers(where, inbox, tally, ports.access), notes


def _usable(
    address: Address | None, what: str, trace_store: Endpoint | None, notes: list[str]
) -> tuple[str, int] | None:
    if address is None:
        return None
    if trace_store is not None and trace_store.port == address.port and is_loopback(trace_store.host):
        if not address.is_optional:
            raise RefusedError(f"{address}: {what} cannot come in where traces go, which is {trace_store.url}")
        notes.append(f"{address} is where traces go: {what} is not received")
        return None
    if address.is_optional:
        try:
            create_server((address.host, address.port)).close()
        except OSError:
            notes.append(f"{address} is taken: {what} is not received")
            return None
    return address.host, address.port


class ApiServer:
    """The API in a thread of its own, opened at once, answering after `start`.

    Args:
        application: the ASGI application.
        address: where.
        access: what it asks for.
        tally: counts refusals.
        is_open: whether a path is answered without a token.

    Raises:
        RefusedError: the address is taken, or a certificate cannot be used.
    """

    def __init__(
        self,
        application: Any,
        address: Address,
        access: Access,
        tally: Tally,
        *,
        is_open: Callable[[str], bool] = nobody,
    ) -> None:
        browsers = Browsers(host=address.host, has_token=access.token is not None, is_open=is_open)
        config = served(guard(application, access, tally, _API, browsers=browsers), access, tally, _API)
        try:
            self._socket = create_server((address.host, address.port))
        except OSError as error:
            raise RefusedError(f"cannot serve the API on {address.host}:{address.port}: {error.strerror}") from error
        self.port = int(self._socket.getsockname()[1])
        """The port that it listens on."""
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="inferometer-api", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(_CLOSE_SECONDS)
        with contextlib.suppress(OSError):
            self._socket.close()
