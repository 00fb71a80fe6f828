"""Readings of GPUs against nvidia-smi's in the same second, as rows of `gpu_sidecar.py`'s table."""

import shutil
import subprocess
from dataclasses import dataclass

from inferometer.catalog import gpus
from inferometer.catalog.model import Series
from inferometer_exporters.gpus.nvml import Nvml

MEBI = 2**20
MEGA = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the table; `holds` is None where there is no limit."""

    measure: str
    value: str
    limit: str = ""
    holds: bool | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """What nvidia-smi calls a series of ours."""

    query: str
    entry: Series
    scale: float
    """Its unit in ours."""
    slack: float
    """Difference, in its unit, that its rounding and the moment between two readings explain."""


PEERS = (
    Peer("utilization.gpu", gpus.GPU_UTILIZATION, 0.01, 5),
    Peer("memory.used", gpus.GPU_MEMORY_USED, MEBI, 2),
    Peer("memory.total", gpus.GPU_MEMORY_TOTAL, MEBI, 1),
    Peer("power.draw.instant", gpus.GPU_POWER, 1, 10),
    Peer("enforced.power.limit", gpus.GPU_POWER_LIMIT, 1, 0.01),
    Peer("temperature.gpu", gpus.GPU_TEMPERATURE, 1, 1),
    Peer("clocks.sm", gpus.GPU_SM_CLOCK, MEGA, 15),
    Peer("clocks.mem", gpus.GPU_MEMORY_CLOCK, MEGA, 1),
)


def smi() -> dict[str, list[float | None]]:
    """What nvidia-smi says of each GPU now; None for what it does not know."""
    query = ",".join(("uuid", *(peer.query for peer in PEERS)))
    command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader,nounits"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    cells = [[cell.strip() for cell in line.split(",")] for line in lines if line.strip()]
    return {uuid: [_number(cell) for cell in values] for uuid, *values in cells}


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None  # "[N/A]"


def against_smi(source: Nvml) -> list[Row]:
    """Each series that nvidia-smi has, too."""
    if shutil.which("nvidia-smi") is None:
        return [Row(measure="readings against nvidia-smi", value="not run: there is no nvidia-smi")]
    before = smi()
    ours = {(reading.entry.name, reading.labels[:1]): reading.value for reading in source.read()}
    after = smi()
    rows = []
    for uuid, first in before.items():
        for peer, low, high in zip(PEERS, first, after.get(uuid, [None] * len(PEERS)), strict=True):
            value = ours.get((peer.entry.name, (uuid,)))
            if low is None or high is None or value is None:
                both = low is None and value is None
                told = f"nvidia-smi {low}, ours {value}"
                rows.append(Row(measure=f"{peer.entry.name} {uuid}", value=told, limit="both or none", holds=both))
                continue
            found = value / peer.scale
            inside = min(low, high) - peer.slack <= found <= max(low, high) + peer.slack
            told = f"nvidia-smi {low:g}, ours {found:g}, nvidia-smi {high:g}"
            rows.append(Row(measure=f"{peer.entry.name} {uuid}", value=told, limit=f"± {peer.slack:g}", holds=inside))
    return rows
