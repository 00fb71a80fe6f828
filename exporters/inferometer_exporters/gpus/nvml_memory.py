"""Device memory in use and in all, of a GPU or a MIG instance."""

from collections.abc import Iterator

from inferometer.catalog import gpus
from inferometer_exporters.gpus import nvml_library as nvml
from inferometer_exporters.gpus.nvml_calls import Calls
from inferometer_exporters.gpus.nvml_library import Handle
from inferometer_exporters.source import Reading


def memory_readings(calls: Calls, handle: Handle, device: str) -> Iterator[Reading]:
    """Memory of *device*; of a driver before 510, what it reserves for itself is in use, too.

    Raises:
        LostError: the device is gone.
        ReloadedError: the driver is.
    """
    memory = calls(nvml.MEMORY, handle, key=device)
    if memory is None and calls.lacks(nvml.MEMORY, key=device):
        memory = calls(nvml.MEMORY_V1, handle, key=device)
    if memory is not None:
        yield Reading(gpus.GPU_MEMORY_USED, (device,), memory.used)
        yield Reading(gpus.GPU_MEMORY_TOTAL, (device,), memory.total)
