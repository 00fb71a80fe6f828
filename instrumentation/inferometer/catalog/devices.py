"""Series of billed devices (money and time) and of GPUs (health)."""

from typing import Final

from inferometer.catalog.labels import (
    AS_OF,
    COMPUTE_SLICES,
    CONTAINER,
    DAY,
    DEVICE,
    DEVICE_STATE,
    DRIVER,
    ECC_KIND,
    GPU_NAME,
    LINK_DIRECTION,
    LINK_ERROR,
    LOAD_WINDOW,
    MIG_PROFILE,
    NAMESPACE,
    NODE,
    PARENT,
    POD,
    POD_UID,
    PRESSURE_KIND,
    PRICE_KIND,
    PRICE_SOURCE,
    PROCESS,
    READING_SOURCE,
    RESOURCE,
    THROTTLE_REASON,
    XID,
)
from inferometer.catalog.model import Counter, Gauge, Info, Unit

LEDGER: Final = Counter(
    name="device_ledger_seconds_total",
    unit=Unit.SECONDS,
    help="Wall time of a billed device by what it did; the states sum to wall time times devices.",
    labels=(DEVICE, DEVICE_STATE),
)
LEDGER_RESIDUAL: Final = Gauge(
    name="device_ledger_residual_ratio",
    unit=Unit.RATIO,
    help="What the ledger's states miss of wall time; 0 when it adds up.",
    labels=(DEVICE,),
)
LEDGER_ENERGY: Final = Counter(
    name="device_ledger_energy_joules_total",
    unit=Unit.JOULES,
    help="Energy that a billed device used by what it did; absent where nobody reads its energy.",
    labels=(DEVICE, DEVICE_STATE),
)
BILL: Final = Counter(
    name="device_bill_usd_total",
    unit=Unit.USD,
    help="What the device cost: price times wall time.",
    labels=(DEVICE,),
)
IDLE_COST: Final = Counter(
    name="device_idle_cost_usd_total",
    unit=Unit.USD,
    help="Part of the bill that no request and no system work used.",
    labels=(DEVICE,),
)
PRICE: Final = Gauge(
    name="device_price_usd_per_hour", unit=Unit.USD_PER_HOUR, help="Price of the device.", labels=(DEVICE,)
)
PRICE_INFO: Final = Info(
    name="device_price_info",
    unit=Unit.COUNT,
    help="Source, date and kind of the device's price.",
    labels=(DEVICE, PRICE_SOURCE, AS_OF, PRICE_KIND),
)
PRICE_AS_OF: Final = Gauge(
    name="device_price_as_of_timestamp_seconds",
    unit=Unit.SECONDS,
    help="Date of the device's price, since the epoch.",
    labels=(DEVICE,),
)
NODE_GPU_COST: Final = Gauge(
    # OpenCost's name, so that boards made for it work; its unit is US dollars per hour and GPU.
    name="node_gpu_hourly_cost",
    unit=Unit.COUNT,
    help="OpenCost's series: US dollars per hour of one GPU of the host, the mean of its GPUs.",
    labels=(NODE,),
)
BILL_CORRECTION: Final = Gauge(
    name="device_bill_correction_usd",
    unit=Unit.USD,
    help="What the provider billed for the device and day more than `device_bill_usd_total` rose; negative if less.",
    labels=(DEVICE, DAY),
)
BILL_RATIO: Final = Gauge(
    name="device_bill_correction_ratio",
    unit=Unit.RATIO,
    help="What the provider billed for the device by what the ledger says, over the days that have a correction.",
    labels=(DEVICE,),
)
UNPRICED: Final = Counter(
    name="device_unpriced_seconds_total",
    unit=Unit.SECONDS,
    help="Wall time of a device that no price matches; its requests cost nothing that we know of.",
    labels=(DEVICE,),
)
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
GPU_UTILIZATION: Final = Gauge(
    name="gpu_utilization_ratio", unit=Unit.RATIO, help="Share of time in which a kernel ran.", labels=(DEVICE,)
)
GPU_SM_ACTIVE: Final = Gauge(
    name="gpu_sm_active_ratio",
    unit=Unit.RATIO,
    help="Share of SM cycles with a resident warp.",
    labels=(DEVICE,),
)
GPU_TENSOR_ACTIVE: Final = Gauge(
    name="gpu_tensor_active_ratio",
    unit=Unit.RATIO,
    help="Share of cycles in which a tensor core worked.",
    labels=(DEVICE,),
)
GPU_SM_OCCUPANCY: Final = Gauge(
    name="gpu_sm_occupancy_ratio",
    unit=Unit.RATIO,
    help="Resident warps as a share of those that the SMs have room for.",
    labels=(DEVICE,),
)
GPU_DRAM_ACTIVE: Final = Gauge(
    name="gpu_dram_active_ratio",
    unit=Unit.RATIO,
    help="Share of cycles in which device memory moved data.",
    labels=(DEVICE,),
)
GPU_MEMORY_USED: Final = Gauge(
    name="gpu_memory_used_bytes", unit=Unit.BYTES, help="Device memory in use.", labels=(DEVICE,)
)
GPU_MEMORY_TOTAL: Final = Gauge(
    name="gpu_memory_total_bytes", unit=Unit.BYTES, help="Device memory in all.", labels=(DEVICE,)
)
GPU_POWER: Final = Gauge(name="gpu_power_watts", unit=Unit.WATTS, help="Power drawn now.", labels=(DEVICE,))
GPU_POWER_LIMIT: Final = Gauge(
    name="gpu_power_limit_watts",
    unit=Unit.WATTS,
    help="Power that the driver holds the device to.",
    labels=(DEVICE,),
)
GPU_ENERGY: Final = Counter(
    name="gpu_energy_joules_total",
    unit=Unit.JOULES,
    help="Energy used, by the device's counter; where it has none, power integrated over time.",
    labels=(DEVICE,),
)
GPU_TEMPERATURE: Final = Gauge(
    name="gpu_temperature_celsius", unit=Unit.CELSIUS, help="Temperature of the die.", labels=(DEVICE,)
)
GPU_SM_CLOCK: Final = Gauge(name="gpu_sm_clock_hertz", unit=Unit.HERTZ, help="Clock of the SMs.", labels=(DEVICE,))
GPU_MEMORY_CLOCK: Final = Gauge(
    name="gpu_memory_clock_hertz", unit=Unit.HERTZ, help="Clock of device memory.", labels=(DEVICE,)
)
GPU_THROTTLE: Final = Counter(
    name="gpu_throttle_seconds_total",
    unit=Unit.SECONDS,
    help="Time in which clocks were held down.",
    labels=(DEVICE, THROTTLE_REASON),
)
GPU_XID_ERRORS: Final = Counter(
    name="gpu_xid_errors_total",
    unit=Unit.COUNT,
    help="XID errors that the driver reported.",
    labels=(DEVICE, XID),
)
GPU_ECC_ERRORS: Final = Counter(
    name="gpu_ecc_errors_total", unit=Unit.COUNT, help="Memory errors.", labels=(DEVICE, ECC_KIND)
)
GPU_PCIE: Final = Counter(
    name="gpu_pcie_bytes_total", unit=Unit.BYTES, help="Bytes over PCIe.", labels=(DEVICE, LINK_DIRECTION)
)
GPU_NVLINK: Final = Counter(
    name="gpu_nvlink_bytes_total",
    unit=Unit.BYTES,
    help="Data over all NVLinks of the device, without protocol overhead.",
    labels=(DEVICE, LINK_DIRECTION),
)
GPU_NVLINK_ERRORS: Final = Counter(
    name="gpu_nvlink_errors_total",
    unit=Unit.COUNT,
    help="Errors of all NVLinks of the device; from Blackwell on `recovery` and `link_down`, before all but that.",
    labels=(DEVICE, LINK_ERROR),
)
GPU_PROCESS_MEMORY: Final = Gauge(
    name="gpu_process_memory_bytes",
    unit=Unit.BYTES,
    help="Device memory that a process holds.",
    labels=(DEVICE, PROCESS),
)
GPU_PROCESS_SM: Final = Gauge(
    name="gpu_process_sm_utilization_ratio",
    unit=Unit.RATIO,
    help="Share of time in which a process's kernels ran on the SMs.",
    labels=(DEVICE, PROCESS),
)
GPU_PROCESS_INFO: Final = Info(
    name="gpu_process_info",
    unit=Unit.COUNT,
    help="Container and pod of a process on a device, by its cgroup.",
    labels=(DEVICE, PROCESS, CONTAINER, POD_UID),
)
GPU_MPS_CLIENTS: Final = Gauge(
    name="gpu_mps_clients",
    unit=Unit.COUNT,
    help="Processes that share the device through MPS; their kernels run at the same time.",
    labels=(DEVICE,),
)
GPU_MIG_SLICES: Final = Gauge(
    name="gpu_mig_slices",
    unit=Unit.COUNT,
    help="Compute slices that a GPU in MIG mode has; an instance is its share of them.",
    labels=(DEVICE,),
)
GPU_MIG_INFO: Final = Info(
    name="gpu_mig_info",
    unit=Unit.COUNT,
    help="GPU, profile and compute slices of a MIG instance.",
    labels=(DEVICE, PARENT, MIG_PROFILE, COMPUTE_SLICES),
)
GPU_INFO: Final = Info(
    name="gpu_info",
    unit=Unit.COUNT,
    help="Name, driver and source of readings of a GPU.",
    labels=(DEVICE, GPU_NAME, DRIVER, READING_SOURCE),
)
GPU_PODS: Final = Gauge(
    name="gpu_pods",
    unit=Unit.COUNT,
    help="Kubernetes pods that the device is given to; 0: to none. Absent where nobody tells of pods.",
    labels=(DEVICE,),
)
GPU_POD_INFO: Final = Info(
    name="gpu_pod_info",
    unit=Unit.COUNT,
    help="A container that the device is given to.",
    labels=(DEVICE, NAMESPACE, POD, CONTAINER),
)
