"""``inferometer sidecar``."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inferometer.fleet.model import PriceKind
from inferometer.otlp.endpoint import Endpoint
from inferometer.settings import Settings
from inferometer_compose.beside.folders import state_folder
from inferometer_exporters.gpus.choice import GpuChoice
from inferometer_exporters.pages.fetch import PageUrl
from inferometer_exporters.prices import Placing
from inferometer_exporters.ports import Address
from inferometer_exporters.sidecar import SidecarSettings
from inferometer_exporters.sidecar import run as run_sidecar

SOCKET_NAME = "sidecar.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line said; nothing where it said nothing."""

    socket: Path | None
    metrics: str
    api: str
    state: Path | None
    thresholds: Path | None
    otlp: str | None
    gpu: GpuChoice = GpuChoice.AUTO
    gpu_pages: Sequence[str] = ()
    replay: Path | None
    with_stdin: bool = False
    instance_type: str = ""
    price_kind: PriceKind = PriceKind.ON_DEMAND


def run(options: Options) -> int:
    """Serve until SIGTERM or Ctrl-C; the exit status.

    Raises:
        RefusedError: an address is none, or somebody else has the socket, the state or a port.
        StateError: a file cannot be used.
    """
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    run_sidecar(settings_of(options, os.environ), with_stdin=options.with_stdin)
    return 0


def settings_of(options: Options, environment: Mapping[str, str]) -> SidecarSettings:
    """The sidecar's settings; what was not said is where workers of the same user look for it.

    Raises:
        RefusedError: an address or a URL is none.
    """
    own = Settings.from_env(environment)
    runtime = own.runtime_dir
    return SidecarSettings(
        socket=options.socket or runtime / SOCKET_NAME,
        state=options.state or state_folder(environment),
        metrics=Address.parse(options.metrics),
        api=Address.parse(options.api),
        thresholds=options.thresholds,
        otlp=Endpoint.from_env(environment, options.otlp or ""),
        gpu=options.gpu,
        gpu_pages=tuple(PageUrl.parse(url) for url in options.gpu_pages),
        replay=options.replay,
        placing=Placing(region=own.region, instance_type=options.instance_type, kind=options.price_kind),
    )
