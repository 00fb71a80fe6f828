"""Processes on a device: what memory each holds, what share of the SMs' time it had."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from inferometer.catalog import gpus
from inferometer_exporters.gpus import nvml_library as nvml
from inferometer_exporters.gpus.nvml_calls import Calls
from inferometer_exporters.gpus.nvml_library import Handle, ProcessMemory, ProcessShare
from inferometer_exporters.hosts.containers import SHORT, Place
from inferometer_exporters.source import Reading

LARGEST: Final = 16
"""Processes of one device that are told apart, those with the most memory."""
_PERCENT: Final = 100
_HOST_PIDS: Final = 0xEFFFFFFC
"""Inode of the first namespace of process ids (PROC_PID_INIT_INO of the kernel's proc_ns.h)."""

PlaceOf = Callable[[int], Place]
"""The container and pod of a process, as the host counts processes."""


def nowhere(_: int) -> Place:
    """What is known where processes are counted otherwise than the driver does."""
    return Place()


def host_pids(proc: Path) -> bool:
    """Whether this process counts processes as the host, and so the driver, does: in a container that is an option."""
    try:
        return os.stat(proc / "self" / "ns" / "pid").st_ino == _HOST_PIDS  # noqa: PTH116 - of the link's target
    except OSError:
        return False


class Processes:
    """The processes of one device.

    Args:
        calls: of the thread that samples.
        device: UUID of the GPU or the MIG instance.
        place_of: finds a process's container and pod.
    """

    def __init__(self, calls: Calls, device: str, place_of: PlaceOf = nowhere) -> None:
        self._calls = calls
        self._place_of = place_of
        self._device = device
        self._since_us = 0

    def readings(self, handle: Handle, *, shares: bool) -> Iterator[Reading]:
        """Memory of each, and its share of the SMs since the last round where the driver says it: not of MIG instances.

        Raises:
            LostError: the device is gone.
            ReloadedError: the driver is.
        """
        found = self._calls(nvml.PROCESSES, handle, key=self._device)
        if found is None:
            return
        largest = sorted(found, key=_size, reverse=True)[:LARGEST]
        for process in largest:
            place = self._place_of(process.pid)
            if place.container or place.pod_uid:
                labels = (self._device, str(process.pid), place.container[:SHORT], place.pod_uid)
                yield Reading(gpus.GPU_PROCESS_INFO, labels, 1)
            if process.used is not None:
                yield Reading(gpus.GPU_PROCESS_MEMORY, (self._device, str(process.pid)), process.used)
        if shares:
            yield from self._shares(handle, [process.pid for process in largest])

    def _shares(self, handle: Handle, pids: list[int]) -> Iterator[Reading]:
        # Where nobody used the device the driver has no samples.
        nobody: dict[str, list[ProcessShare] | None] = {nvml.NOT_FOUND: [], nvml.SUCCESS: []}
        found = self._calls(nvml.PROCESS_SHARES, handle, self._since_us, answers=nobody)
        if found is None:
            return
        newest: dict[int, ProcessShare] = {}
        for sample in found:
            self._since_us = max(self._since_us, sample.at_us)
            newest[sample.pid] = max(newest.get(sample.pid, sample), sample, key=_age)
        for pid in pids:
            # Only processes that ran a kernel are told: the others' share is 0, and known.
            percent = newest[pid].sm if pid in newest else 0
            if percent <= _PERCENT:
                yield Reading(gpus.GPU_PROCESS_SM, (self._device, str(pid)), percent / _PERCENT)


def _size(process: ProcessMemory) -> int:
    return process.used or 0


def _age(sample: ProcessShare) -> tuple[int, int]:
    # One process may be told twice at the same time; Kepler, too, takes the larger share.
    return sample.at_us, sample.sm
