"""How Prometheus, Alertmanager and Jaeger are started on loopback."""

import json
from dataclasses import dataclass
from pathlib import Path

from inferometer_alerts.time_scale import TimeScale
from inferometer_compose.stack.ports import LOOPBACK
from inferometer_compose.stack.process import Command

# Peers give way to the fleet that they watch.
PEER_NICENESS = 5
MAX_TRACES = 50_000


@dataclass(frozen=True, slots=True)
class JaegerPorts:
    """Where a local Jaeger listens."""

    ui: int
    ui_grpc: int
    otlp_grpc: int
    otlp_http: int
    health: int


def prometheus(program: Path, *, port: int, config: Path, data: Path, time_scale: int) -> Command:
    """Prometheus with exemplars, its data in a folder of the demo."""
    return Command(
        "prometheus",
        [
            str(program),
            f"--config.file={config}",
            f"--storage.tsdb.path={data}",
            "--storage.tsdb.retention.time=2d",
            f"--web.listen-address={LOOPBACK}:{port}",
            *TimeScale(time_scale).prometheus_flags(),
            "--log.level=warn",
        ],
        {},
        nice=PEER_NICENESS,
    )


def alertmanager(program: Path, *, port: int, config: Path, data: Path, time_scale: int) -> Command:
    """One Alertmanager without a cluster."""
    return Command(
        "alertmanager",
        [
            str(program),
            f"--config.file={config}",
            f"--storage.path={data}",
            f"--web.listen-address={LOOPBACK}:{port}",
            "--cluster.listen-address=",
            *TimeScale(time_scale).alertmanager_flags(),
            "--log.level=warn",
        ],
        {},
        nice=PEER_NICENESS,
    )


def jaeger(program: Path, config: Path) -> Command:
    """Jaeger with the configuration that ``jaeger_config`` wrote."""
    return Command("jaeger", [str(program), f"--config={config}"], {}, nice=PEER_NICENESS)


def jaeger_config(ports: JaegerPorts) -> str:
    """Jaeger 2's configuration: OTLP in, traces in memory, the query API; JSON, which is YAML too."""

    def at(port: int) -> dict[str, str]:
        return {"endpoint": f"{LOOPBACK}:{port}"}

    config = {
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query", "healthcheckv2"],
            "pipelines": {
                "traces": {"receivers": ["otlp"], "processors": ["batch"], "exporters": ["jaeger_storage_exporter"]}
            },
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn"}},
        },
        "extensions": {
            "healthcheckv2": {"use_v2": True, "http": at(ports.health)},
            "jaeger_query": {
                "enable_tracing": False,
                "storage": {"traces": "main"},
                "http": at(ports.ui),
                "grpc": at(ports.ui_grpc),
            },
            "jaeger_storage": {"backends": {"main": {"memory": {"max_traces": MAX_TRACES}}}},
        },
        "receivers": {"otlp": {"protocols": {"grpc": at(ports.otlp_grpc), "http": at(ports.otlp_http)}}},
        # Half a second: somebody who clicks a dot on a board finds its trace.
        "processors": {"batch": {"timeout": "500ms"}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "main"}},
    }
    return json.dumps(config, indent=2) + "\n"
