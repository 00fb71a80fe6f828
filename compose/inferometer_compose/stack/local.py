"""The whole stack on this host: started in the order in which parts need each other, ended together."""

import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from inferometer.fleet import thresholds, thresholds_file
from inferometer_alerts.addresses import Addresses
from inferometer_alerts.prometheus import MINE
from inferometer_compose import web
from inferometer_compose.stack import fleet, inbox, peers
from inferometer_compose.stack.configuration import Configuration
from inferometer_compose.stack.fleet import SERVICES, SidecarPorts, url
from inferometer_compose.stack.ports import LOOPBACK, Ports
from inferometer_compose.stack.process import Command, Process, StartError, end_all
from inferometer_compose.stack.programs import Program
from inferometer_exporters.recorder.names import FILE_NAME

# Three models load and import in two seconds on an idle core; the machine may be busy.
READY_SECONDS = 60.0
PEER_READY_SECONDS = 20.0
END_SECONDS = 8.0
# uvicorn gives open requests two; a service that is told while it warms up does not hear it.
SENDERS_END_SECONDS = 3.0
ENDINGS: Final = (((*SERVICES, "load"), SENDERS_END_SECONDS), (("sidecar",), END_SECONDS))
"""Who ends first, and within how many seconds; the peers are last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """The programs that were found, or why not."""

    prometheus: Program
    alertmanager: Program
    jaeger: Program

    def all(self) -> Sequence[Program]:
        """In the order in which people name them."""
        return self.prometheus, self.alertmanager, self.jaeger


class LocalStack:
    """Fleet, sidecar and the peers that were found, as child processes.

    Args:
        folder: Logs, configuration, state and recorder go there.
        programs: The peers to use.
        time_scale: Divides the look-back of Prometheus.
    """

    def __init__(self, folder: Path, programs: Peers, *, time_scale: int) -> None:
        self.folder = folder
        self.programs = programs
        self.inbox = inbox.Inbox()
        self.notes: list[str] = []
        self._time_scale = time_scale
        self._ports = Ports(self.notes)
        self._processes: list[Process] = []
        self._cleanup = ExitStack()
        self.services = {name: self._ports.take(8100 + index, name) for index, name in enumerate(SERVICES)}
        self.sidecar = SidecarPorts(self._ports.take(9464, "/metrics"), self._ports.take(9465, "the live page"))
        self._inbox_port = self._ports.take(0, "the alert receiver")
        self._prometheus_port = self._peer_port(programs.prometheus, 9090)
        self._alertmanager_port = self._peer_port(programs.alertmanager, 9093)
        self._jaeger_ports = peers.JaegerPorts(
            ui=self._peer_port(programs.jaeger, 16686),
            ui_grpc=self._ports.take(0, "Jaeger's gRPC API"),
            otlp_grpc=self._ports.take(0, "Jaeger's OTLP over gRPC"),
            otlp_http=self._ports.take(0, "Jaeger's OTLP over HTTP"),
            health=self._ports.take(0, "Jaeger's health check"),
        )
        self.up: dict[str, str] = {}
        self.socket: Path | None = None
        """Where services send their records, once the fleet is started."""
        self.thresholds = thresholds.NOTHING

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything that was started."""
        self.end()

    @property
    def addresses(self) -> Addresses:
        """Where the configuration finds everybody."""
        return Addresses(
            sidecars=(f"{LOOPBACK}:{self.sidecar.metrics}",),
            prometheus=f"{LOOPBACK}:{self._prometheus_port}",
            alertmanager=f"{LOOPBACK}:{self._alertmanager_port}",
            jaeger=f"{LOOPBACK}:{self._jaeger_ports.ui}",
            inbox=f"{LOOPBACK}:{self._inbox_port}",
        )

    @property
    def gateway(self) -> str:
        """Where requests go."""
        return url(self.services["gateway"])

    @property
    def api(self) -> str:
        """Where the sidecar answers questions."""
        return url(self.sidecar.api)

    @property
    def recorder(self) -> Path:
        """The flight recorder's file, which ``inferometer trace`` reads when the stack has ended."""
        return self._state / FILE_NAME

    @property
    def _state(self) -> Path:
        return self.folder / "sidecar"

    def start_peers(self, configuration: Configuration) -> None:
        """Start the receivers of traces and alerts; one that does not get ready leaves a note and is done without."""
        server = inbox.serve(self.inbox, LOOPBACK, self._inbox_port)
        threading.Thread(target=server.serve_forever, name="alert-inbox", daemon=True).start()
        self._cleanup.callback(server.server_close)
        self._cleanup.callback(server.shutdown)
        programs = self.programs
        if programs.jaeger.path is not None:
            config = self.folder / "jaeger.yaml"
            config.write_text(peers.jaeger_config(self._jaeger_ports), encoding="utf-8")
            ready = f"{url(self._jaeger_ports.health)}/status"
            self._start_peer("jaeger", peers.jaeger(programs.jaeger.path, config), ready, self._jaeger_ports.ui)
        if programs.alertmanager.path is not None:
            command = peers.alertmanager(
                programs.alertmanager.path,
                port=self._alertmanager_port,
                config=configuration.alertmanager,
                data=self.folder / "alertmanager",
                time_scale=self._time_scale,
            )
            ready = f"{url(self._alertmanager_port)}/-/ready"
            self._start_peer("alertmanager", command, ready, self._alertmanager_port)

    def start_fleet(self, configuration: Configuration) -> float:
        """Start sidecar and services and wait for them, then Prometheus: before, it would see nothing and say so.

        Returns:
            Seconds until the last service was ready.

        Raises:
            StartError: one of them did not get ready.
        """
        # A path of a Unix socket has at most 107 bytes; a checkout may lie deeper.
        runtime = Path(self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="inferometer-")))
        self.socket = socket = runtime / "sidecar.sock"
        otlp = url(self._jaeger_ports.otlp_http) if "jaeger" in self.up else None
        sidecar = fleet.sidecar(
            self._state, ports=self.sidecar, socket=socket, thresholds=configuration.thresholds, otlp=otlp
        )
        started = [(self._start(sidecar), f"{self.api}/healthz")]
        for name, port in self.services.items():
            command = fleet.service(name, ports=self.services, socket=socket)
            started.append((self._start(command), f"{url(port)}/healthz"))
        slowest = 0.0
        for process, health in started:
            slowest = max(slowest, process.wait_until(_answers(health), within_seconds=READY_SECONDS))
        self.thresholds = thresholds_file.read(configuration.thresholds)
        self.up["live"] = self.api
        self.up["gateway"] = self.gateway
        self._start_prometheus(configuration)
        return slowest

    def start_load(self, *, rate_per_second: float, seconds: float) -> Process:
        """Start the load; its output is the caller's to read."""
        return self._start(fleet.load(self.gateway, rate_per_second=rate_per_second, seconds=seconds))

    def end(self) -> None:
        """End everything that was started: who sends ends before who takes in, so that nobody waits for an answer."""
        for names, within_seconds in ENDINGS:
            those = [process for process in self._processes if process.name in names]
            end_all(those, within_seconds=within_seconds)
            self._processes = [process for process in self._processes if process not in those]
        end_all(self._processes, within_seconds=END_SECONDS)
        self._processes.clear()
        self._cleanup.close()
        self.up.clear()

    def _peer_port(self, program: Program, usual: int) -> int:
        # Only who is started can miss the port where people look for it.
        return self._ports.take(usual if program.path is not None else 0, program.title)

    def _start_prometheus(self, configuration: Configuration) -> None:
        program = self.programs.prometheus.path
        if program is None:
            return
        # Its configuration names a folder for lists of one's own; one that is not there is an error in its log, at
        # every look.
        (configuration.prometheus.parent / MINE[0]).parent.mkdir(exist_ok=True)
        command = peers.prometheus(
            program,
            port=self._prometheus_port,
            config=configuration.prometheus,
            data=self.folder / "prometheus",
            time_scale=self._time_scale,
        )
        self._start_peer("prometheus", command, f"{url(self._prometheus_port)}/-/ready", self._prometheus_port)

    def _start(self, command: Command) -> Process:
        process = Process(command, self.folder)
        self._processes.append(process)
        return process

    def _start_peer(self, name: str, command: Command, ready: str, port: int) -> None:
        try:
            self._start(command).wait_until(_answers(ready), within_seconds=PEER_READY_SECONDS)
        except StartError as error:
            self.notes.append(f"going on without {name}: {error}")
        else:
            self.up[name] = url(port)


def _answers(address: str) -> Callable[[], bool]:
    return lambda: web.answers(address)
