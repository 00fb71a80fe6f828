"""How the demo fleet, its load and its sidecar are started."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inferometer.settings import VARIABLES
from inferometer_compose.stack.ports import LOOPBACK
from inferometer_compose.stack.process import Command

SERVICES = ("gateway", "embedder", "classifier", "listener")
LOAD_NICENESS = 2
_NOT_OF_THE_SHELL: Final = {name: "" for name in VARIABLES.values() if name.startswith("INFEROMETER_")}
"""Settings of the caller's own workers and sidecar: with its token, say, nobody of this stack would be let in."""


@dataclass(frozen=True, slots=True)
class SidecarPorts:
    """Where the sidecar answers."""

    metrics: int
    api: int


def sidecar(
    folder: Path, *, ports: SidecarPorts, socket: Path, thresholds: Path, otlp: str | None, replay: Path | None = None
) -> Command:
    """``inferometer sidecar`` with its state in a folder of the demo.

    Args:
        folder: Holds state and recorder.
        ports: Where it answers.
        socket: Where workers send their frames.
        thresholds: What ``inferometer generate`` wrote for it.
        otlp: Where kept traces go; nowhere without it.
        replay: Recorded GPU readings to show, for hosts without a GPU.
    """
    arguments = [
        sys.executable, "-m", "inferometer_compose", "sidecar",
        "--socket", str(socket),
        "--metrics", f"{LOOPBACK}:{ports.metrics}",
        "--api", f"{LOOPBACK}:{ports.api}",
        "--state", str(folder),
        "--thresholds", str(thresholds),
    ]  # fmt: skip
    arguments += ["--otlp", otlp] if otlp else []
    arguments += ["--replay", str(replay)] if replay else []
    return Command("sidecar", arguments, _NOT_OF_THE_SHELL)


def service(name: str, *, ports: Mapping[str, int], socket: Path) -> Command:
    """One service of the fleet under uvicorn, as its user would start it."""
    arguments = [
        sys.executable, "-m", "uvicorn", f"inferometer_compose.fleet.{name}:app",
        "--host", LOOPBACK, "--port", str(ports[name]),
        "--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "2",
    ]  # fmt: skip
    callees = {f"DEMO_{callee.upper()}_URL": url(ports[callee]) for callee in SERVICES[1:]}
    environment = {
        **_NOT_OF_THE_SHELL,
        **callees,
        "OTEL_SERVICE_NAME": name,
        "INFEROMETER_ENABLED": "1",
        "INFEROMETER_SIDECAR": f"unix://{socket}",
    }
    return Command(name, arguments, environment)


def load(gateway: str, *, rate_per_second: float, seconds: float) -> Command:
    """The load generator, whose counts come on its standard output."""
    arguments = [
        sys.executable, "-m", "inferometer_compose.load",
        "--url", gateway, "--rate", str(rate_per_second), "--for", str(seconds),
    ]  # fmt: skip
    return Command("load", arguments, {}, nice=LOAD_NICENESS, pipe=True)


def url(port: int) -> str:
    """The address of a local server."""
    return f"http://{LOOPBACK}:{port}"
