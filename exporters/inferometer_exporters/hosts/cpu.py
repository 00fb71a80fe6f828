"""Health of a CPU host: use, memory, and time that its quota took away."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

from inferometer.catalog import devices
from inferometer_exporters.source import Reading

_CGROUP_STAT: Final = Path("/sys/fs/cgroup/cpu.stat")
_MICROSECOND: Final = 1_000
_PERCENT: Final = 100
_CPU_INFO: Final = Path("/proc/cpuinfo")


class CpuHost:
    """Readings of this host.

    Args:
        device: name of the host as a billed device.
        cgroup_stat: ``cpu.stat`` of our cgroup (version 2); without it throttling is unknown.
    """

    name = "cpu"

    def __init__(self, device: str, *, cgroup_stat: Path = _CGROUP_STAT) -> None:
        self._labels = (device,)
        self._cgroup_stat = cgroup_stat
        # The first call has nothing to compare with and answers 0, which would be a lie.
        psutil.cpu_percent(interval=None)

    def read(self) -> Iterator[Reading]:
        """Use since the last call, memory, throttled time."""
        memory = psutil.virtual_memory()
        yield Reading(devices.HOST_CPU_UTILIZATION, self._labels, psutil.cpu_percent(interval=None) / _PERCENT)
        yield Reading(devices.HOST_MEMORY_TOTAL, self._labels, memory.total)
        yield Reading(devices.HOST_MEMORY_USED, self._labels, memory.total - memory.available)
        throttled = self._throttled()
        if throttled is not None:
            yield Reading(devices.HOST_CPU_THROTTLED, self._labels, throttled)

    def _throttled(self) -> int | None:
        try:
            lines = self._cgroup_stat.read_text(encoding="ascii").splitlines()
        except OSError:
            return None
        for line in lines:
            name, _, value = line.partition(" ")
            if name == "throttled_usec" and value.isdecimal():
                return int(value) * _MICROSECOND
        return None


def cpu_model(cpu_info: Path = _CPU_INFO) -> str:
    """Name of this host's CPU, as the price book matches it; empty where the kernel does not say."""
    try:
        text = cpu_info.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return ""
