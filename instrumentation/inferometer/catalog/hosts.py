"""Series of hosts and of the container that a sidecar watches: CPU, memory, pressure, energy."""

from typing import Final

from inferometer.catalog.labels import CONTAINER, DEVICE, LOAD_WINDOW, PRESSURE_KIND, RESOURCE
from inferometer.catalog.model import Counter, Gauge, Unit

HOST_CPU_UTILIZATION: Final = Gauge(
    name="host_cpu_utilization_ratio",
    unit=Unit.RATIO,
    help="Share of the host's CPU time in use since the last reading.",
    labels=(DEVICE,),
)
HOST_CPU_THROTTLED: Final = Counter(
    name="host_cpu_throttled_seconds_total",
    unit=Unit.SECONDS,
    help="Time in which the sidecar's cgroup was held down by its CPU quota.",
    labels=(DEVICE,),
)
HOST_MEMORY_USED: Final = Gauge(
    name="host_memory_used_bytes", unit=Unit.BYTES, help="Memory of the host that is in use.", labels=(DEVICE,)
)
HOST_MEMORY_TOTAL: Final = Gauge(
    name="host_memory_total_bytes", unit=Unit.BYTES, help="Memory of the host in all.", labels=(DEVICE,)
)
HOST_ENERGY: Final = Counter(
    name="host_energy_joules_total",
    unit=Unit.JOULES,
    help="Energy that the host's CPU packages used, by their own counters (RAPL), where they may be read.",
    labels=(DEVICE,),
)
HOST_CPU_STEAL: Final = Counter(
    name="host_cpu_steal_seconds_total",
    unit=Unit.SECONDS,
    help="CPU time that a hypervisor gave to others while the host had work for it, all CPUs together.",
    labels=(DEVICE,),
)
HOST_CPU_CLOCK: Final = Gauge(
    name="host_cpu_clock_hertz",
    unit=Unit.HERTZ,
    help="Mean clock of the host's CPUs, where its kernel governs it.",
    labels=(DEVICE,),
)
HOST_LOAD: Final = Gauge(
    name="host_load_average",
    unit=Unit.COUNT,
    help="Threads that ran or waited to, on average.",
    labels=(DEVICE, LOAD_WINDOW),
)
HOST_PRESSURE: Final = Counter(
    name="host_pressure_seconds_total",
    unit=Unit.SECONDS,
    help="Time in which threads waited for a resource (pressure stall information).",
    labels=(DEVICE, RESOURCE, PRESSURE_KIND),
)
CONTAINER_CPU_THROTTLED: Final = Counter(
    name="container_cpu_throttled_seconds_total",
    unit=Unit.SECONDS,
    help="Time in which a worker's or the sidecar's container was held down by its CPU quota.",
    labels=(DEVICE, CONTAINER),
)
CONTAINER_CPU_LIMIT: Final = Gauge(
    name="container_cpu_limit_cores",
    unit=Unit.COUNT,
    help="CPU time per time that the container's quota allows; absent without a quota.",
    labels=(DEVICE, CONTAINER),
)
CONTAINER_MEMORY_USED: Final = Gauge(
    name="container_memory_used_bytes",
    unit=Unit.BYTES,
    help="Memory that the container uses, without file pages that can be dropped at once.",
    labels=(DEVICE, CONTAINER),
)
CONTAINER_MEMORY_LIMIT: Final = Gauge(
    name="container_memory_limit_bytes",
    unit=Unit.BYTES,
    help="Memory that the container may use; absent without a limit.",
    labels=(DEVICE, CONTAINER),
)
CONTAINER_OOM_KILLS: Final = Counter(
    name="container_oom_kills_total",
    unit=Unit.COUNT,
    help="Processes of the container that were killed because there was no memory.",
    labels=(DEVICE, CONTAINER),
)
