"""The sidecar: one Intake with the columnar pipeline, ``/metrics``, the API, sources of readings."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

from inferometer.aggregate import Aggregator, Exposition, PageServer, exact_bounds
from inferometer.aggregate.sample import joined
from inferometer.catalog import telemetry
from inferometer.catalog.labels import COMPONENT, PORT
from inferometer.errors import StateError
from inferometer.fleet import thresholds_file
from inferometer.fleet.thresholds import NOTHING, Thresholds
from inferometer.intake.listeners import listen_unix
from inferometer.intake.passes import Intake, boot_id
from inferometer.intake.server import Server
from inferometer.intake.state import StateFile, Step, nothing
from inferometer.otlp.sender import Sender
from inferometer.otlp.writer import TraceWriter
from inferometer_exporters.api import Api
from inferometer_exporters.bill_corrections import BillCorrections
from inferometer_exporters.columns.clocks import translated
from inferometer_exporters.engines.fleet import Engines, of_fleet
from inferometer_exporters.gpus.choice import local_gpus
from inferometer_exporters.gpus.page import GpuPage
from inferometer_exporters.gpus.replay import Replay
from inferometer_exporters.hosts.cpu import CpuHost, cpu_model
from inferometer_exporters.hosts.pods import Pods
from inferometer_exporters.hosts.rapl import Rapl
from inferometer_exporters.ledger.account import Device
from inferometer_exporters.live import NO_PAGES, Pages, Summing
from inferometer_exporters.pages.fetch import fetch
from inferometer_exporters.pipeline import SidecarPipeline
from inferometer_exporters.ports import (
    ApiServer,
    exposed,
    open_frames,
    open_receivers,
)
from inferometer_exporters.prices import priced
from inferometer_exporters.pulse import Pulse
from inferometer_exporters.receivers.enrichment import Home
from inferometer_exporters.receivers.foreign import Foreign
from inferometer_exporters.receivers.forward import MAX_BYTES as FORWARDED_BYTES
from inferometer_exporters.receivers.forward import Forward
from inferometer_exporters.receivers.inbox import Inbox
from inferometer_exporters.recorder.levels import Levels
from inferometer_exporters.recorder.names import FILE_NAME
from inferometer_exporters.recorder.store import Recorder
from inferometer_exporters.sidecar_settings import SidecarSettings
from inferometer_exporters.source import Sampler, Source
from inferometer_exporters.tally import Tally

_log = logging.getLogger(__name__)

_METRICS, *_, _FRAMES = PORT.values
STATE_NAME: Final = "sidecar.state"
ENGINES_FOLDER: Final = "engines"
EARLY_ROWS: Final = 16_384
"""Requests that make a pass come early: in a pass of 2,500 one costs 19 µs, of 9,000 11 (benchmarks/sidecar.py)."""
DRAIN_SECONDS: Final = 2.0
"""Longest wait for last frames, once the process that the sidecar stands beside has ended."""
_LOOK_SECONDS: Final = 0.05
_SHOWN: Final = "published"
"""The step of a pass after which everybody may see it."""


class Sidecar:
    """All parts of a running sidecar; nothing runs before `start`.

    Args:
        settings: how it runs.
        after_step: called after each step of a pass; tests kill the process there.
        pages: what people open in a browser, beside the API.

    Raises:
        RefusedError: another sidecar has the socket, the state folder or a port.
        StateError: the state, the recorder, the thresholds or the recording cannot be used.
    """

    def __init__(self, settings: SidecarSettings, *, after_step: Step = nothing, pages: Pages = NO_PAGES) -> None:
        self.settings = settings
        known = NOTHING if settings.thresholds is None else thresholds_file.read(settings.thresholds)
        known = priced(known, settings.host, settings.placing)
        self._gpus = local_gpus(settings.gpu)
        gpu_pages = (GpuPage(url, get=partial(fetch, access=settings.gpu_access)) for url in settings.gpu_pages)
        sources: list[Source] = [
            CpuHost(settings.host, workers=lambda: self._server.pids),
            *self._gpus,
            *gpu_pages,
            BillCorrections(settings.state),
        ]
        rapl = Rapl.found(settings.host)
        if rapl is not None:
            sources.append(rapl)
        if settings.replay is not None:
            sources.append(Replay(settings.replay))
        self._sampler = Sampler(sources)
        self._sender = None if settings.otlp is None else Sender(settings.otlp)
        self._others_sender = None if settings.otlp is None else Sender(settings.otlp, max_bytes=FORWARDED_BYTES)
        access = settings.ports.access
        tally, inbox, self._pulse = Tally(), Inbox(), Pulse()
        self.notes: list[str] = []
        """What its user should know: ports that are done without, or open to others."""
        with contextlib.ExitStack() as undo:
            _private(settings.state)
            _private(settings.socket.parent)
            listeners = [listen_unix(settings.socket)]
            undo.callback(listeners[0].close)
            if settings.ports.frames_tcp is not None:
                listeners.append(open_frames(settings.ports.frames_tcp, access))
                undo.callback(listeners[1].close)
            self._listeners = listeners
            self.receivers, self.notes = open_receivers(settings.ports, inbox, tally, settings.otlp)
            if self.receivers is not None:
                undo.callback(self.receivers.close)
            listening = [("--metrics", settings.metrics), ("--api", settings.api), *settings.ports.all()]
            self.notes += exposed(listening, access)
            self.recorder = Recorder(settings.state / FILE_NAME, settings.bounds, known.objectives)
            undo.callback(self.recorder.close)
            aggregator = Aggregator(extra_bounds=exact_bounds(known))
            aggregator.set(telemetry.BUILD_INFO, (version("inferometer"), COMPONENT.values[-1]), 1)
            engine_pages = (*of_fleet(known.engines), *settings.engine_pages)
            self.pipeline = SidecarPipeline(
                self.recorder,
                known,
                Device(name=settings.host, kind="cpu", model=cpu_model()),
                aggregator,
                sampler=self._sampler,
                writer=None if self._sender is None else TraceWriter(self._sender),
                pages=engine_pages,
                foreign=lambda naming: Foreign(
                    inbox,
                    self.recorder,
                    naming,
                    home=Home(host=settings.host, region=settings.region),
                    forward=None if self._others_sender is None else Forward(self._others_sender),
                    only_model=known.only_model,
                ),
                tally=tally,
            )
            boot = boot_id()
            self._server = Server(
                listeners,
                boot_id=boot,
                token=access.token,
                translate=translated,
                refused=_frame_refusals(tally),
                pod_of=Pods(settings.pod),
            )
            undo.callback(self._server.close)
            self.intake = Intake(
                self._server,
                self.pipeline,
                StateFile(settings.state / STATE_NAME),
                boot_id=boot,
                early_rows=EARLY_ROWS,
                after_step=self._beating(after_step),
            )
            self.intake.restore()
            self._engines = Engines(
                engine_pages,
                region=settings.region,
                folder=settings.state / ENGINES_FOLDER,
                period=known.engines_every_ns / 1e9,
                report=self.pipeline.usages.append,
            )
            self.page = PageServer(
                Exposition(lambda: joined(self.pipeline.snapshot, self._engines.families())),
                healthy=self.intake.healthy,
                host=settings.metrics.host,
                port=settings.metrics.port,
                access=access,
                refused=lambda reason: tally.add(telemetry.REFUSALS, (_METRICS, reason)),
            )
            undo.callback(self.page.close)
            self._api = self._serve(known, pages, tally)
            self.recorded = 0
            """Requests in the flight recorder when it was closed."""
            undo.pop_all()

    def _serve(self, known: Thresholds, pages: Pages, tally: Tally) -> ApiServer:
        """The API with its pages, and what keeps their sums."""
        levels, settings = Levels(known), self.settings
        self._summing = Summing(self.recorder.cursor, levels)
        api = Api(
            self.recorder.cursor,
            known,
            healthy=self.intake.healthy,
            pulse=self._pulse,
            levels=levels,
            pages=pages,
        )
        return ApiServer(api.app(), settings.api, settings.ports.access, tally, is_open=pages.is_open)

    def _beating(self, after_step: Step) -> Step:
        """After each step what is wished, and a beat where a pass is shown."""

        def step(name: str) -> None:
            after_step(name)
            if name == _SHOWN:
                self._pulse.beat(self.intake.number)

        return step

    @property
    def api_port(self) -> int:
        """The port that the API listens on."""
        return self._api.port

    @property
    def frames_port(self) -> int | None:
        """The port of frames over TCP; None without."""
        return int(self._listeners[1].sock.getsockname()[1]) if len(self._listeners) > 1 else None

    def doors(self) -> Iterator[str]:
        """A line for each further port that is open: what comes in there, and where it is."""
        ports, receivers = self.settings.ports, self.receivers
        if ports.frames_tcp is not None and self.frames_port is not None:
            scheme = "tcp" if ports.access.certificates is None else "tls"
            yield f"frames {scheme}://{replace(ports.frames_tcp, port=self.frames_port)}"
        if receivers is not None and ports.otlp_grpc is not None and receivers.grpc_port is not None:
            yield f"otlp-grpc {replace(ports.otlp_grpc, port=receivers.grpc_port)}"
        if receivers is not None and ports.otlp_http is not None and receivers.http_port is not None:
            yield f"otlp-http {ports.access.scheme}://{replace(ports.otlp_http, port=receivers.http_port)}/v1/traces"

    def run(self) -> None:
        """Serve until `stop`; ends with a last pass."""
        self._sampler.start()
        for sender in (self._sender, self._others_sender):
            if sender is not None:
                sender.start()
        if self.receivers is not None:
            self.receivers.start()
        self._engines.start()
        self.page.start()
        self._summing.start()
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
        if self.receivers is not None:
            self.receivers.close()
        self._api.close()
        self._summing.close()
        self.page.close()
        self._engines.close()
        self._sampler.close()
        for gpus in self._gpus:
            gpus.close()
        for sender in (self._sender, self._others_sender):
            if sender is not None:
                sender.close()
        self.intake.close()
        self.recorded = self.recorder.rows
        self.recorder.close()


def _private(folder: Path) -> None:
    """Make a folder for this user alone, where there is none."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"cannot make the folder {folder}: {error.strerror}") from error


def _frame_refusals(tally: Tally) -> Callable[[str], None]:
    return lambda reason: tally.add(telemetry.REFUSALS, (_FRAMES, reason))
