"""Health of a CPU host: use, memory, load, pressure, and what quotas and hypervisors took away."""

import os
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final

import psutil

from inferometer.catalog import hosts
from inferometer_exporters.hosts import containers, kernel
from inferometer_exporters.hosts.cgroup import Cgroups, Usage
from inferometer_exporters.hosts.roots import Roots, text
from inferometer_exporters.source import Reading

_SELF: Final = "self"
MAX_CONTAINERS: Final = 64
"""Containers of workers that are shown; more are on no host that serves models."""


class Use:
    """Share of the processors' time that was not idle, between two looks at it, of whatever thread looks.

    psutil's own percentage begins anew in each thread, and answers 0 there, which would be a lie.
    """

    def __init__(self, times: Callable[[], Any] = psutil.cpu_times) -> None:
        self._times = times
        self._last = _busy_and_all(times())

    def since_last(self) -> float | None:
        """The share since the last look; None where no tick went by."""
        busy, every = _busy_and_all(self._times())
        busy_before, every_before = self._last
        if every <= every_before:
            return None
        self._last = busy, every
        # The kernel takes waiting for a disk back at times: its counter falls, and less time than busy time went by.
        return min((busy - busy_before) / (every - every_before), 1.0)


def _busy_and_all(times: Any) -> tuple[float, float]:
    """Seconds of all processors; guests are in their host's time already."""
    every = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return every - times.idle - getattr(times, "iowait", 0.0), every


class CpuHost:
    """Readings of this host.

    Args:
        device: name of the host as a billed device.
        workers: ids of workers' processes, as this process counts them: their containers are shown, too.
        roots: where the kernel shows what it knows.
        use: of the processors; by psutil unless given.
    """

    name = "cpu"

    def __init__(
        self,
        device: str,
        *,
        workers: Callable[[], Collection[int]] = tuple,
        roots: Roots | None = None,
        use: Use | None = None,
    ) -> None:
        self._labels = (device,)
        self._workers = workers
        self._roots = roots or Roots()
        self._of = Cgroups(self._roots)
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._use = use or Use()

    def read(self) -> Iterator[Reading]:
        """Use since the last call, and everything else as it is now."""
        memory = psutil.virtual_memory()
        if (share := self._use.since_last()) is not None:
            yield Reading(hosts.HOST_CPU_UTILIZATION, self._labels, share)
        yield Reading(hosts.HOST_MEMORY_TOTAL, self._labels, memory.total)
        yield Reading(hosts.HOST_MEMORY_USED, self._labels, memory.total - memory.available)
        for entry, value in (
            (hosts.HOST_CPU_STEAL, kernel.stolen_ns(self._roots, self._ticks)),
            (hosts.HOST_CPU_CLOCK, kernel.clock_hertz(self._roots)),
        ):
            if value is not None:
                yield Reading(entry, self._labels, value)
        for window, load in kernel.loads(self._roots):
            yield Reading(hosts.HOST_LOAD, (*self._labels, window), load)
        for resource, kind, waited in kernel.pressures(self._roots):
            yield Reading(hosts.HOST_PRESSURE, (*self._labels, resource, kind), waited)
        yield from self._cgroups()

    def _cgroups(self) -> Iterator[Reading]:
        own = self._of.usage(_SELF)
        if own.throttled_ns is not None:
            yield Reading(hosts.HOST_CPU_THROTTLED, self._labels, own.throttled_ns)
        shown = {containers.place(_SELF, self._roots.proc).container[: containers.SHORT] or _SELF: own}
        for pid in sorted(self._workers()):
            container = containers.place(pid, self._roots.proc).container[: containers.SHORT]
            if container and container not in shown and len(shown) < MAX_CONTAINERS:
                shown[container] = self._of.usage(pid)
        for container, usage in shown.items():
            yield from _readings((*self._labels, container), usage)


def _readings(labels: tuple[str, ...], usage: Usage) -> Iterator[Reading]:
    for entry, value in (
        (hosts.CONTAINER_CPU_THROTTLED, usage.throttled_ns),
        (hosts.CONTAINER_CPU_LIMIT, usage.cores),
        (hosts.CONTAINER_MEMORY_USED, usage.memory_used),
        (hosts.CONTAINER_MEMORY_LIMIT, usage.memory_limit),
        (hosts.CONTAINER_OOM_KILLS, usage.oom_kills),
    ):
        if value is not None:
            yield Reading(entry, labels, value)


def cpu_model(roots: Roots | None = None) -> str:
    """Name of this host's CPU, as the price book matches it; empty where the kernel does not say."""
    for line in (text((roots or Roots()).proc / "cpuinfo") or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return ""
