"""How a sidecar runs."""

from dataclasses import dataclass, field
from pathlib import Path
from socket import gethostname

from inferometer.fleet.page_access import PageAccess
from inferometer.otlp.endpoint import Endpoint
from inferometer.wire.pod import Pod
from inferometer_exporters.engines.scrape import Scraped
from inferometer_exporters.gpus.choice import GpuChoice
from inferometer_exporters.pages.fetch import PageUrl
from inferometer_exporters.ports import LOOPBACK, Address, Ports
from inferometer_exporters.prices import Placing
from inferometer_exporters.recorder.store import Bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarSettings:
    """How a sidecar runs."""

    socket: Path
    """Unix socket on which workers' frames arrive."""
    state: Path
    """Folder of the state file and the flight recorder; of one sidecar at a time."""
    metrics: Address = field(default=Address(LOOPBACK, 9464))
    api: Address = field(default=Address(LOOPBACK, 9465))
    thresholds: Path | None = None
    """``thresholds.json``, as ``inferometer generate`` writes it; nothing is promised without it."""
    otlp: Endpoint | None = None
    """Where kept traces go; nowhere without it."""
    gpu: GpuChoice = GpuChoice.AUTO
    """How GPUs of this host are read."""
    gpu_pages: tuple[PageUrl, ...] = ()
    """Pages of dcgm-exporter or nvidia_gpu_exporter that show GPUs of this host."""
    gpu_access: PageAccess | None = None
    """What these pages ask for."""
    engine_pages: tuple[Scraped, ...] = ()
    """Pages of foreign engines, besides those of ``thresholds``."""
    replay: Path | None = None
    """Recorded readings of GPUs to show, for hosts without one."""
    ports: Ports = field(default_factory=Ports)
    """Where it takes spans and frames over TCP, and what all its TCP ports ask for."""
    region: str = ""
    """Where the host is, for spans that come from it and do not say."""
    bounds: Bounds = field(default_factory=Bounds)
    host: str = field(default_factory=gethostname)
    """This host's name as a billed device."""
    pod: Pod = field(default_factory=Pod)
    """What this process's environment says of its pod; see `Pods`."""
    placing: Placing = field(default_factory=Placing)
    """Where the host is, as far as prices depend on it."""
