"""Series of a GPU's health and of what runs on it."""

from typing import Final

from inferometer.catalog.labels import (
    COMPUTE_SLICES,
    CONTAINER,
    DEVICE,
    DRIVER,
    ECC_KIND,
    GPU_NAME,
    LINK_DIRECTION,
    LINK_ERROR,
    MIG_PROFILE,
    NAMESPACE,
    PARENT,
    POD,
    POD_UID,
    PROCESS,
    READING_SOURCE,
    THROTTLE_REASON,
    XID,
)
from inferometer.catalog.model import Counter, Gauge, Info, Unit

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
