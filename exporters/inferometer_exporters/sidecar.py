"""The sidecar as a process: one Intake with the columnar pipeline, ``/metrics``, the API, sources of readings."""

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from socket import create_server, gethostname
from types import FrameType
from typing import Final

import uvicorn

from inferometer.aggregate import Aggregator, Exposition, PageServer, exact_bounds
from inferometer.catalog import telemetry
from inferometer.catalog.labels import COMPONENT
from inferometer.errors import RefusedError, StateError
from inferometer.fleet import thresholds as thresholds_file
from inferometer.intake.listeners import listen_unix
from inferometer.intake.passes import Intake, boot_id
from inferometer.intake.server import Server
from inferometer.intake.state import StateFile, Step, nothing
from inferometer.otlp.endpoint import Endpoint
from inferometer.otlp.sender import Sender
from inferometer.otlp.writer import TraceWriter
from inferometer_exporters.api import Api
from inferometer_exporters.gpus.choice import GpuChoice, local_gpus
from inferometer_exporters.gpus.page import GpuPage
from inferometer_exporters.gpus.replay import Replay
from inferometer_exporters.hosts.cpu import CpuHost, cpu_model
from inferometer_exporters.ledger.account import Device
from inferometer_exporters.pages.fetch import PageUrl
from inferometer_exporters.pipeline import SidecarPipeline
from inferometer_exporters.prices import Placing, priced
from inferometer_exporters.recorder.names import FILE_NAME
from inferometer_exporters.recorder.store import Bounds, Recorder
from inferometer_exporters.source import Sampler, Source

_log = logging.getLogger(__name__)

STATE_NAME: Final = "sidecar.state"
EARLY_ROWS: Final = 16_384
"""Requests that make a pass come early: in a pass of 2,500 one costs 19 µs, of 9,000 11 (benchmarks/sidecar.py)."""
_LOOPBACK: Final = "127.0.0.1"
_CLOSE_SECONDS: Final = 3.0
DRAIN_SECONDS: Final = 2.0
"""Longest wait for last frames, once the process that the sidecar stands beside has ended."""
_LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Address:
    """Host and port to listen on."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """``HOST:PORT``; ``:PORT`` and ``PORT`` mean loopback.

        Raises:
            RefusedError: there is no port in it.
        """
        host, _, port = text.rpartition(":")
        if not port.isdecimal() or int(port) > 0xFFFF:  # noqa: PLR2004 - the highest port
            raise RefusedError(f"{text!r} is no address: HOST:PORT is right")
        return cls(host.strip("[]") or _LOOPBACK, int(port))


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarSettings:
    """How a sidecar runs."""

    socket: Path
    """Unix socket on which workers' frames arrive."""
    state: Path
    """Folder of the state file and the flight recorder; of one sidecar at a time."""
    metrics: Address = field(default=Address(_LOOPBACK, 9464))
    api: Address = field(default=Address(_LOOPBACK, 9465))
    thresholds: Path | None = None
    """``thresholds.json``, as ``inferometer generate`` writes it; nothing is promised without it."""
    otlp: Endpoint | None = None
    """Where kept traces go; nowhere without it."""
    gpu: GpuChoice = GpuChoice.AUTO
    """How GPUs of this host are read."""
    gpu_pages: tuple[PageUrl, ...] = ()
    """Pages of dcgm-exporter or nvidia_gpu_exporter that show GPUs of this host."""
    replay: Path | None = None
    """Recorded readings of GPUs to show, for hosts without one."""
    bounds: Bounds = field(default_factory=Bounds)
    host: str = field(default_factory=gethostname)
    """This host's name as a billed device."""
    placing: Placing = field(default_factory=Placing)
    """Where the host is, as far as prices depend on it."""


class Sidecar:
    """All parts of a running sidecar; nothing runs before `start`.

    Args:
        settings: how it runs.
        after_step: called after each step of a pass; tests kill the process there.

    Raises:
        RefusedError: another sidecar has the socket, the state folder or a port.
        StateError: the state, the recorder, the thresholds or the recording cannot be used.
    """

    def __init__(self, settings: SidecarSettings, *, after_step: Step = nothing) -> None:
        self.settings = settings
        known = thresholds_file.NOTHING if settings.thresholds is None else thresholds_file.read(settings.thresholds)
        known = priced(known, settings.host, settings.placing)
        self._gpus = local_gpus(settings.gpu)
        pages = (GpuPage(url) for url in settings.gpu_pages)
        sources: list[Source] = [CpuHost(settings.host), *self._gpus, *pages]
        if settings.replay is not None:
            sources.append(Replay(settings.replay))
        self._sampler = Sampler(sources)
        self._sender = None if settings.otlp is None else Sender(settings.otlp)
        with contextlib.ExitStack() as undo:
            _private(settings.state)
            _private(settings.socket.parent)
            listener = listen_unix(settings.socket)
            undo.callback(listener.close)
            self.recorder = Recorder(settings.state / FILE_NAME, settings.bounds)
            undo.callback(self.recorder.close)
            aggregator = Aggregator(extra_bounds=exact_bounds(known))
            aggregator.set(telemetry.BUILD_INFO, (version("inferometer"), COMPONENT.values[-1]), 1)
            self.pipeline = SidecarPipeline(
                self.recorder,
                known,
                Device(name=settings.host, kind="cpu", model=cpu_model()),
                aggregator,
                sampler=self._sampler,
                writer=None if self._sender is None else TraceWriter(self._sender),
            )
            boot = boot_id()
            self._server = Server([listener], boot_id=boot)
            undo.callback(self._server.close)
            self.intake = Intake(
                self._server,
                self.pipeline,
                StateFile(settings.state / STATE_NAME),
                boot_id=boot,
                early_rows=EARLY_ROWS,
                after_step=after_step,
            )
            self.intake.restore()
            exposition = Exposition(lambda: self.pipeline.snapshot)
            self.page = PageServer(
                exposition, healthy=self.intake.healthy, host=settings.metrics.host, port=settings.metrics.port
            )
            undo.callback(self.page.close)
            api = Api(self.recorder.cursor, known, healthy=self.intake.healthy)
            self._api = _ApiServer(api, settings.api)
            self.recorded = 0
            """Requests in the flight recorder when it was closed."""
            undo.pop_all()

    @property
    def api_port(self) -> int:
        """The port that the API listens on."""
        return self._api.port

    def run(self) -> None:
        """Serve until `stop`; ends with a last pass."""
        self._sampler.start()
        if self._sender is not None:
            self._sender.start()
        self.page.start()
        self._api.start()
        try:
            self.intake.run()
        finally:
            self.close()

    def stop(self) -> None:
        """End `run` soon; from any thread or a signal handler."""
        self.pipeline.closing = True
        self.intake.stop()

    def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """Wait until every worker has hung up, for at most *seconds*: what they sent is read by then."""
        deadline = time.monotonic() + seconds
        quiet = 0
        # Twice: a connection may wait to be accepted.
        while quiet < 2 and time.monotonic() < deadline:  # noqa: PLR2004 - see above
            quiet = 0 if self._server.connections else quiet + 1
            time.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        """Close everything that was opened."""
        self._api.close()
        self.page.close()
        self._sampler.close()
        for gpus in self._gpus:
            gpus.close()
        if self._sender is not None:
            self._sender.close()
        self.intake.close()
        self.recorded = self.recorder.rows
        self.recorder.close()


class _ApiServer:
    """uvicorn in a thread of its own."""

    def __init__(self, api: Api, address: Address) -> None:
        try:
            self._socket = create_server((address.host, address.port))
        except OSError as error:
            raise RefusedError(f"cannot serve the API on {address.host}:{address.port}: {error.strerror}") from error
        self.port = int(self._socket.getsockname()[1])
        self._server = uvicorn.Server(
            uvicorn.Config(
                api.app(), log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1
            )
        )
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="inferometer-api", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(_CLOSE_SECONDS)
        self._socket.close()


def _private(folder: Path) -> None:
    """Make a folder for this user alone, where there is none."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"cannot make the folder {folder}: {error.strerror}") from error


@contextlib.contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    def handle(number: int, _: FrameType | None) -> None:
        _log.info("signal %d: the last pass follows", number)
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(settings: SidecarSettings, *, with_stdin: bool = False, after_step: Step = nothing) -> None:
    """Run a sidecar until SIGTERM or SIGINT; in the main thread.

    Prints where it answers, and at the end where the flight recorder is.

    Args:
        settings: how it runs.
        with_stdin: end when standard input does, after the last frames, and print the number of requests: for a process
            that has a sidecar beside it, and must not leave it behind however it ends.
        after_step: as for `Sidecar`.

    Raises:
        RefusedError: another sidecar has the socket, the state folder or a port.
        StateError: the state, the recorder, the thresholds or the recording cannot be used.
    """
    sidecar = Sidecar(settings, after_step=after_step)
    with _signals(sidecar.stop):
        host = settings.metrics.host
        _say(f"frames {settings.socket}")
        _say(f"metrics http://{host}:{sidecar.page.port}/metrics")
        _say(f"api http://{settings.api.host}:{sidecar.api_port}")
        if with_stdin:
            threading.Thread(target=_end_with_stdin, args=(sidecar,), name="inferometer-stdin", daemon=True).start()
        sidecar.run()
    if with_stdin:
        _say(f"requests {sidecar.recorded}")
    _say(f"recorder {sidecar.recorder.path}")


def _end_with_stdin(sidecar: Sidecar) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    sidecar.drain()
    sidecar.stop()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
