"""Which source reads the GPUs of this host."""

import ctypes
import logging
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from inferometer_exporters.hosts.containers import place
from inferometer_exporters.source import Source

_log = logging.getLogger(__name__)

LIBRARY: Final = "libnvidia-ml.so.1"
"""NVIDIA's management library; it comes with the driver, and its container runtime mounts it."""


_PROC: Final = Path("/proc")


class GpuChoice(StrEnum):
    """How GPUs are read."""

    AUTO = "auto"
    """Through the driver's library, where it is there."""
    NVML = "nvml"
    """Through the driver's library, also if it comes later."""
    OFF = "off"
    """Not at all."""


class LocalGpus(Source, Protocol):
    """The source of this host's own GPUs."""

    def close(self) -> None:
        """Let go of the driver."""
        ...


def local_gpus(choice: GpuChoice) -> list[LocalGpus]:
    """The source of this host's own GPUs; none where nobody wants it or nothing can be read."""
    if choice is GpuChoice.OFF or (choice is GpuChoice.AUTO and not _loads()):
        return []
    # The bindings are 4 MB that a host without a GPU does without.
    from inferometer_exporters.gpus.nvml import Nvml  # noqa: PLC0415 - see above
    from inferometer_exporters.gpus.nvml_processes import host_pids, nowhere  # noqa: PLC0415 - the same

    # The driver names processes as the host counts them: elsewhere that number is another process.
    return [Nvml(place_of=partial(place, proc=_PROC) if host_pids(_PROC) else nowhere)]


def _loads() -> bool:
    try:
        ctypes.CDLL(LIBRARY)
    except OSError as error:
        _log.info("no GPUs are read: %s", error)
        return False
    return True
