"""Readings of devices that no machine of a test has: three GPUs, one more in slices, a host with its containers.

Gauges stand still and totals rise by the same each second, so that what a board must show of them is known.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from boards.workers import HOST, SECOND
from inferometer.catalog import devices, gpus, hosts
from inferometer.catalog.labels import (
    ECC_KIND,
    LINK_DIRECTION,
    LINK_ERROR,
    LOAD_WINDOW,
    PRESSURE_KIND,
    RESOURCE,
    THROTTLE_REASON,
)
from inferometer.catalog.model import Series
from inferometer_exporters.source import Reading, Sample

EMBEDS: Final = "GPU-11111111-aaaa-4bbb-8ccc-000000000001"
DECODES: Final = "GPU-22222222-aaaa-4bbb-8ccc-000000000002"
SLICED: Final = "GPU-33333333-aaaa-4bbb-8ccc-000000000003"
SLICES: Final = {"MIG-44444444-aaaa-4bbb-8ccc-000000000004": (1, "1g.10gb"), "MIG-5b": (2, "2g.20gb")}
UNPRICED: Final = "GPU-66666666-aaaa-4bbb-8ccc-000000000006"
MODEL: Final = "NVIDIA H100 80GB HBM3"
GPUS: Final = {EMBEDS: MODEL, DECODES: MODEL, SLICED: MODEL, UNPRICED: "NVIDIA L4"}
"""Model by GPU; nobody says what the last one costs."""

GAUGES: Final[dict[Series, float]] = {
    gpus.GPU_UTILIZATION: 0.62,
    gpus.GPU_SM_ACTIVE: 0.41,
    gpus.GPU_TENSOR_ACTIVE: 0.23,
    gpus.GPU_SM_OCCUPANCY: 0.3,
    gpus.GPU_DRAM_ACTIVE: 0.37,
    gpus.GPU_MEMORY_USED: 51 << 30,
    gpus.GPU_MEMORY_TOTAL: 80 << 30,
    gpus.GPU_POWER: 412,
    gpus.GPU_POWER_LIMIT: 700,
    gpus.GPU_TEMPERATURE: 64,
    gpus.GPU_SM_CLOCK: 1_755_000_000,
    gpus.GPU_MEMORY_CLOCK: 2_619_000_000,
    gpus.GPU_MPS_CLIENTS: 2,
    gpus.GPU_PODS: 1,
}
"""Of each GPU."""
WATTS: Final = 412
XID_EVERY_SECONDS: Final = 600
THROTTLED: Final = 0.05
"""Seconds a second, for each reason."""
LINK_BYTES: Final = 2_000_000_000
"""A second, in each direction, on PCIe and over NVLink."""
OF_HOST: Final[dict[Series, float]] = {
    hosts.HOST_CPU_UTILIZATION: 0.35,
    hosts.HOST_MEMORY_USED: 40 << 30,
    hosts.HOST_MEMORY_TOTAL: 256 << 30,
    hosts.HOST_CPU_CLOCK: 2_900_000_000,
}
CORRECTION_DAYS: Final = {"2026-10-01": 1.5, "2026-10-02": -0.5}
WORKLOAD: Final = ("pod-uid", "inference", "embedder-0", "server")


class Devices:
    """Stands in for the sampler: what every source read last, as of now."""

    def __init__(self, begin: int) -> None:
        self._begin = begin
        self.now = begin

    def samples(self) -> Sequence[Sample]:
        """What the driver and the kernel say."""
        seconds = (self.now - self._begin) / SECOND
        return [
            Sample(0, "nvml", tuple(_gpus(seconds)), self.now),
            Sample(1, "cpu", tuple(_host(seconds)), self.now),
        ]

    def errors(self) -> Sequence[tuple[str, int]]:
        """A source fails now and then."""
        return [("nvml", (self.now - self._begin) // (60 * SECOND))]


def _gpus(seconds: float) -> Iterator[Reading]:
    for gpu, model in GPUS.items():
        yield Reading(gpus.GPU_INFO, (gpu, model, "580.95", "nvml"), 1)
        yield from (Reading(entry, (gpu,), value) for entry, value in GAUGES.items())
        yield _rises(gpus.GPU_ENERGY, (gpu,), WATTS * seconds)
        yield _rises(gpus.GPU_XID_ERRORS, (gpu, "79"), seconds // XID_EVERY_SECONDS)
        for kind in ECC_KIND.values:
            yield _rises(gpus.GPU_ECC_ERRORS, (gpu, kind), seconds // 300)
        for reason in THROTTLE_REASON.values:
            yield _rises(gpus.GPU_THROTTLE, (gpu, reason), THROTTLED * seconds)
        for direction in LINK_DIRECTION.values:
            yield _rises(gpus.GPU_PCIE, (gpu, direction), LINK_BYTES * seconds)
            yield _rises(gpus.GPU_NVLINK, (gpu, direction), LINK_BYTES * seconds)
        for error in LINK_ERROR.values:
            yield _rises(gpus.GPU_NVLINK_ERRORS, (gpu, error), seconds // 300)
        yield Reading(gpus.GPU_PROCESS_MEMORY, (gpu, "12"), 20 << 30)
        yield Reading(gpus.GPU_PROCESS_SM, (gpu, "12"), 0.6)
        uid, namespace, pod, container = WORKLOAD
        yield Reading(gpus.GPU_PROCESS_INFO, (gpu, "12", container, uid), 1)
        yield Reading(gpus.GPU_POD_INFO, (gpu, namespace, pod, container), 1)
        yield Reading(devices.BILL_RATIO, (gpu,), 1.04)
        yield from (
            Reading(devices.BILL_CORRECTION, (gpu, day), usd * devices.BILL_CORRECTION.scale)
            for day, usd in CORRECTION_DAYS.items()
        )
    yield Reading(gpus.GPU_MIG_SLICES, (SLICED,), 7)
    for name, (slices, profile) in SLICES.items():
        yield Reading(gpus.GPU_MIG_INFO, (name, SLICED, profile, str(slices)), 1)
        yield Reading(gpus.GPU_MEMORY_USED, (name,), 3 << 30)
        yield Reading(gpus.GPU_MEMORY_TOTAL, (name,), (10 * slices) << 30)
        yield Reading(gpus.GPU_SM_ACTIVE, (name,), 0.5)


def _host(seconds: float) -> Iterator[Reading]:
    yield from (Reading(entry, (HOST,), value) for entry, value in OF_HOST.items())
    yield _rises(hosts.HOST_CPU_THROTTLED, (HOST,), 0.01 * seconds)
    yield _rises(hosts.HOST_CPU_STEAL, (HOST,), 0.02 * seconds)
    yield _rises(hosts.HOST_ENERGY, (HOST,), 150 * seconds)
    yield from (Reading(hosts.HOST_LOAD, (HOST, window), 3.5) for window in LOAD_WINDOW.values)
    for resource in RESOURCE.values:
        for kind in PRESSURE_KIND.values:
            yield _rises(hosts.HOST_PRESSURE, (HOST, resource, kind), 0.02 * seconds)
    for container in ("embedder", "assistant"):
        yield _rises(hosts.CONTAINER_CPU_THROTTLED, (HOST, container), 0.1 * seconds)
        yield Reading(hosts.CONTAINER_CPU_LIMIT, (HOST, container), 4)
        yield Reading(hosts.CONTAINER_MEMORY_USED, (HOST, container), 2 << 30)
        yield Reading(hosts.CONTAINER_MEMORY_LIMIT, (HOST, container), 8 << 30)
        yield _rises(hosts.CONTAINER_OOM_KILLS, (HOST, container), seconds // 1200)


def _rises(entry: Series, labels: tuple[str, ...], total: float) -> Reading:
    """A total in the entry's stored unit, as its source counts from its own start."""
    return Reading(entry, labels, round(total * entry.scale), own=True)
