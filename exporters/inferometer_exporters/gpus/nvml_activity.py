"""What the hardware's own counters say of a device's use (GPM: Hopper and later), of a whole GPU or a MIG instance."""

import math
from collections.abc import Iterator
from typing import Final

from inferometer.catalog import gpus
from inferometer.catalog.model import Series
from inferometer_exporters.gpus import nvml_library as nvml
from inferometer_exporters.gpus.nvml_calls import Calls
from inferometer_exporters.gpus.nvml_library import Handle
from inferometer_exporters.source import Reading

SHORTEST_NS: Final = 100_000_000
"""Samples closer than this say nothing (nvml.h, nvmlGpmMetricsGet)."""
LONGEST_NS: Final = 10 * 10**9
"""Samples further apart than this are of another time than now: the window begins anew."""
_PERCENT: Final = 100
METRICS: Final[dict[int, Series]] = {
    nvml.SM_ACTIVE: gpus.GPU_SM_ACTIVE,
    nvml.SM_OCCUPANCY: gpus.GPU_SM_OCCUPANCY,
    nvml.TENSOR_ACTIVE: gpus.GPU_TENSOR_ACTIVE,
    nvml.DRAM_ACTIVE: gpus.GPU_DRAM_ACTIVE,
}


class Activity:
    """Activity between one round and the next.

    Args:
        calls: of the thread that samples.
        device: UUID of the GPU or the MIG instance.
        instance: number of the GPU instance, for a MIG instance.
    """

    def __init__(self, calls: Calls, device: str, *, instance: int | None = None) -> None:
        self._calls = calls
        self._device = device
        self._instance = instance
        self._samples: list[Handle] = []
        self._newest: tuple[int, int] | None = None
        """Position and time of the newest sample."""

    def readings(self, gpu: Handle, now_ns: int) -> Iterator[Reading]:
        """Activity since the last round; none at the first one, and none where the device has no such counters.

        Raises:
            LostError: the device is gone.
            ReloadedError: the driver is.
        """
        before = self._newest
        if before is not None and now_ns - before[1] < SHORTEST_NS:
            return
        position = 0 if before is None else 1 - before[0]
        if not self._sample(gpu, position):
            self._newest = None
            return
        self._newest = (position, now_ns)
        if before is None or now_ns - before[1] > LONGEST_NS:
            return
        metrics = self._calls(
            nvml.GPM_METRICS, self._samples[before[0]], self._samples[position], tuple(METRICS), key=self._device
        )
        for metric, percent in (metrics or {}).items():
            if math.isfinite(percent) and percent >= 0:
                yield Reading(METRICS[metric], (self._device,), min(percent / _PERCENT, 1.0))

    def restart(self) -> None:
        """Samples so far are of another driver, or of a device before its reset."""
        self._newest = None

    def free(self) -> None:
        """Give the samples back: there is no such device any more.

        Raises:
            LostError: the GPU is gone, too.
            ReloadedError: the driver is.
        """
        samples, self._samples, self._newest = self._samples, [], None
        for sample in samples:
            self._calls(nvml.GPM_FREE, sample)

    def _sample(self, gpu: Handle, position: int) -> bool:
        while len(self._samples) <= position:
            sample = self._calls(nvml.GPM_ALLOC)
            if sample is None:
                return False
            self._samples.append(sample)
        into = self._samples[position]
        if self._instance is None:
            return self._calls(nvml.GPM_SAMPLE, gpu, into, key=self._device) is not None
        return self._calls(nvml.GPM_MIG_SAMPLE, gpu, self._instance, into, key=self._device) is not None
