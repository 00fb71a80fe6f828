"""The ports of OTLP in one thread of their own, with one event loop."""

import asyncio
import logging
import threading
from dataclasses import dataclass
from socket import create_server, socket
from typing import Any, Final

import uvicorn

from inferometer.access import Access
from inferometer.catalog.labels import PORT
from inferometer.errors import InferometerError, RefusedError
from inferometer_exporters.receivers import grpc_service
from inferometer_exporters.receivers.grpc_service import GrpcTraces
from inferometer_exporters.receivers.http_app import HttpTraces
from inferometer_exporters.receivers.inbox import Inbox
from inferometer_exporters.receivers.taking import Taking
from inferometer_exporters.tally import Tally
from inferometer_exporters.web_guard import guard, served

_log = logging.getLogger(__name__)

_GRPC, _HTTP = PORT.values[2:4]
_START_SECONDS: Final = 15.0
_CLOSE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Addresses to listen on, as (host, port); None: not."""

    grpc: tuple[str, int] | None
    http: tuple[str, int] | None


class Receivers:
    """The ports; opened at once, answering after `start`.

    Args:
        where: addresses.
        inbox: where spans wait for a pass.
        tally: counts what was taken and refused.
        access: what both ports ask for.

    Raises:
        RefusedError: an address is taken, or a certificate cannot be used.
    """

    def __init__(self, where: Where, inbox: Inbox, tally: Tally, access: Access) -> None:
        self._inbox = inbox
        self._tally = tally
        self._access = access
        self._socket = None if where.http is None else _bound(where.http)
        self.http_port: int | None = None if self._socket is None else int(self._socket.getsockname()[1])
        """The port of OTLP over HTTP; None without."""
        self.grpc_port: int | None = None
        """The port of OTLP over gRPC; None without."""
        self._where = where
        self._go = threading.Event()
        self._opened = threading.Event()
        self._problem: InferometerError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="inferometer-otlp-in", daemon=True)
        self._thread.start()
        self._opened.wait(_START_SECONDS)
        if self._problem is not None:
            self.close()
            raise self._problem

    def start(self) -> None:
        """Begin to answer."""
        self._go.set()

    def close(self) -> None:
        """Take nothing more; calls under way get a moment to end."""
        loop, stop = self._loop, self._stop
        self._go.set()
        if loop is not None and stop is not None and self._thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        self._thread.join(2 * _CLOSE_SECONDS)
        if self._socket is not None:
            self._socket.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except InferometerError as error:
            self._problem = error
        except Exception:  # noqa: BLE001 - see below
            # The edge: ports that fail are said, and the ledger goes on without them.
            _log.exception("OTLP is not received any more")
        finally:
            self._opened.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = self._grpc()
        self._opened.set()
        await asyncio.to_thread(self._go.wait)
        if self._stop.is_set():
            return
        if server is not None:
            await server.start()
        http = self._http()
        serving = None if http is None else asyncio.create_task(_served(http, self._socket))
        await self._stop.wait()
        if http is not None and serving is not None:
            http.should_exit = True
            await asyncio.wait([serving], timeout=_CLOSE_SECONDS)
        if server is not None:
            await server.stop(_CLOSE_SECONDS / 2)

    def _grpc(self) -> Any:
        if self._where.grpc is None:
            return None
        host, port = self._where.grpc
        if port:
            # grpcio's own words for a taken port do not say so.
            _bound((host, port), "gRPC").close()
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        handler = GrpcTraces(Taking(self._inbox, self._tally, _GRPC), self._access)
        server, self.grpc_port = grpc_service.server(handler, address, self._access.certificates)
        return server

    def _http(self) -> uvicorn.Server | None:
        if self._socket is None:
            return None
        application = guard(HttpTraces(Taking(self._inbox, self._tally, _HTTP)), self._access, self._tally, _HTTP)
        return uvicorn.Server(served(application, self._access, self._tally, _HTTP))


async def _served(server: uvicorn.Server, sock: socket | None) -> None:
    await server.serve(sockets=None if sock is None else [sock])


def _bound(address: tuple[str, int], what: str = "HTTP") -> socket:
    host, port = address
    try:
        return create_server((host, port))
    except OSError as error:
        raise RefusedError(f"cannot take OTLP over {what} on {host}:{port}: {error.strerror or error}") from error
