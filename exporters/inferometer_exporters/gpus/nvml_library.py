"""NVIDIA's management library through its own bindings; no other module imports ``pynvml``.

Every call may block as long as the driver likes, and may raise `NvmlError`: `inferometer_exporters.gpus.nvml_calls`
makes them.
"""

import ctypes
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

import pynvml

T = TypeVar("T")

Handle = Any
"""A device, an event set or a sample, as the bindings give it."""
NvmlError: Final[type[Exception]] = pynvml.NVMLError

_PREFIX: Final = "NVML_ERROR_"
_CODES: Final = {value: name for name, value in vars(pynvml).items() if name.startswith(_PREFIX)}
UNSUPPORTED: Final = frozenset(
    {
        "not_supported",
        "function_not_found",  # the driver is older than the call
        "argument_version_mismatch",  # the driver is older than the struct
        "deprecated",
    }
)
"""Errors that the same call on the same device would only repeat."""
FORBIDDEN: Final = "no_permission"
"""Error of a call that this process may not make now, and not later."""
LOST: Final = frozenset({"gpu_is_lost", "gpu_not_found"})
"""Errors after which a device answers nothing until it is found anew."""
RELOADED: Final = frozenset({"uninitialized", "driver_not_loaded", "lib_rm_version_mismatch"})
"""Errors that say the driver is not the one that was initialised."""
TIMED_OUT: Final = "timeout"
NOT_FOUND: Final = "not_found"
SUCCESS: Final = "success"
"""Some functions of the bindings raise it where there is nothing to tell."""
_FIELD: Final = struct.Struct("@IIqqII8s")
"""``nvmlFieldValue_t``: field, scope, time, latency, type of the value, error, value."""
_FIELD_TYPES: Final[Mapping[int, str]] = {
    pynvml.NVML_VALUE_TYPE_DOUBLE: "@d",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_INT: "@I",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG: "@L",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: "@Q",
    pynvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG: "@q",
    pynvml.NVML_VALUE_TYPE_SIGNED_INT: "@i",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_SHORT: "@H",
}
_ALL_LINKS: Final = 0xFFFFFFFF


def code_of(error: Exception) -> str:
    """Name of an `NvmlError`: ``gpu_is_lost``, say."""
    value = getattr(error, "value", None)
    if value == pynvml.NVML_SUCCESS:
        return SUCCESS
    return str(_CODES.get(value, f"{_PREFIX}{value}")).removeprefix(_PREFIX).lower()


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A call of the library: its name there, and what makes it."""

    name: str
    run: Callable[..., T]


class FieldId(NamedTuple):
    """A field of ``nvmlDeviceGetFieldValues``; its scope is a link, where it has links."""

    number: int
    scope: int = 0


class FieldValue(NamedTuple):
    """What the driver answered for a field."""

    value: int | float
    bits: int
    """Width of its type; a counter of 32 bits begins anew every 4 GiB."""
    latency_us: int
    """How long the driver took for it."""


class Memory(NamedTuple):
    """Device memory, bytes."""

    used: int
    total: int


class ProcessMemory(NamedTuple):
    """Memory of a process, bytes; None where the driver does not say."""

    pid: int
    used: int | None


class ProcessShare(NamedTuple):
    """How much of the SMs' time a process had, percent."""

    pid: int
    at_us: int
    sm: int


class Slices(NamedTuple):
    """What a MIG instance has."""

    compute: int
    memory_mib: int


class Event(NamedTuple):
    """Something that the driver tells on its own."""

    device: Handle
    kind: int
    data: int


POWER_NOW: Final = FieldId(pynvml.NVML_FI_DEV_POWER_INSTANT)  # mW
ENERGY: Final = FieldId(pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION)  # mJ
POWER_CAP_NS: Final = FieldId(pynvml.NVML_FI_DEV_PERF_POLICY_POWER)
THERMAL_NS: Final = FieldId(pynvml.NVML_FI_DEV_PERF_POLICY_THERMAL)
SYNC_BOOST_NS: Final = FieldId(pynvml.NVML_FI_DEV_PERF_POLICY_SYNC_BOOST)
BOARD_LIMIT_NS: Final = FieldId(pynvml.NVML_FI_DEV_PERF_POLICY_BOARD_LIMIT)
RELIABILITY_NS: Final = FieldId(pynvml.NVML_FI_DEV_PERF_POLICY_RELIABILITY)
PCIE_TX: Final = FieldId(pynvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES)
PCIE_RX: Final = FieldId(pynvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES)
# KiB of all links; NVLink 5 (Blackwell) counts bytes in fields of its own.
NVLINK_TX: Final = FieldId(pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, _ALL_LINKS)
NVLINK_RX: Final = FieldId(pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, _ALL_LINKS)
NVLINK5_TX: Final = FieldId(pynvml.NVML_FI_DEV_NVLINK_COUNT_XMIT_BYTES, _ALL_LINKS)
NVLINK5_RX: Final = FieldId(pynvml.NVML_FI_DEV_NVLINK_COUNT_RCV_BYTES, _ALL_LINKS)
# Of all links; NVLink 5 counts other things.
NVLINK_CRC_FLIT: Final = FieldId(pynvml.NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL)
NVLINK_CRC_DATA: Final = FieldId(pynvml.NVML_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL)
NVLINK_REPLAY: Final = FieldId(pynvml.NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL)
NVLINK_RECOVERY: Final = FieldId(pynvml.NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL)
NVLINK5_RECOVERED: Final = FieldId(pynvml.NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_SUCCESSFUL_EVENTS, _ALL_LINKS)
NVLINK5_DOWN: Final = FieldId(pynvml.NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_FAILED_EVENTS, _ALL_LINKS)

HARDWARE_SLOWDOWN: Final[int] = pynvml.nvmlClocksEventReasonHwSlowdown
THERMAL_HARDWARE: Final[int] = pynvml.nvmlClocksEventReasonHwThermalSlowdown
THERMAL_SOFTWARE: Final[int] = pynvml.nvmlClocksEventReasonSwThermalSlowdown
POWER_BRAKE: Final[int] = pynvml.nvmlClocksEventReasonHwPowerBrakeSlowdown
POWER_CAP: Final[int] = pynvml.nvmlClocksEventReasonSwPowerCap
SYNC_BOOST: Final[int] = pynvml.nvmlClocksEventReasonSyncBoost

XID: Final[int] = pynvml.nvmlEventTypeXidCriticalError
UNCORRECTED: Final[int] = pynvml.nvmlEventTypeDoubleBitEccError

SM_ACTIVE: Final[int] = pynvml.NVML_GPM_METRIC_SM_UTIL
SM_OCCUPANCY: Final[int] = pynvml.NVML_GPM_METRIC_SM_OCCUPANCY
TENSOR_ACTIVE: Final[int] = pynvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL
DRAM_ACTIVE: Final[int] = pynvml.NVML_GPM_METRIC_DRAM_BW_UTIL


def _field_values(handle: Handle, fields: Sequence[FieldId]) -> list[FieldValue | str]:
    answers = pynvml.nvmlDeviceGetFieldValues(handle, list(fields))
    return [*_decoded(bytes(answers))]


def _decoded(answers: bytes) -> Iterator[FieldValue | str]:
    for _, _, _, latency_us, kind, error, raw in _FIELD.iter_unpack(answers):
        layout = _FIELD_TYPES.get(kind)
        if error or layout is None:
            yield code_of(NvmlError(error)) if error else "not_supported"
        else:
            size = struct.calcsize(layout)
            yield FieldValue(struct.unpack(layout, raw[:size])[0], 8 * size, latency_us)


def _memory(handle: Handle) -> Memory:
    # Version 1 counts what the driver reserves for itself as used, and nvidia-smi does not.
    info = pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2)
    return Memory(info.used, info.total)


def _memory_v1(handle: Handle) -> Memory:
    info = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return Memory(info.used, info.total)


def _utilization(handle: Handle) -> int:
    return int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)


def _processes(handle: Handle) -> list[ProcessMemory]:
    found = pynvml.nvmlDeviceGetComputeRunningProcesses_v3(handle)
    return [ProcessMemory(process.pid, process.usedGpuMemory) for process in found]


def _mps_clients(handle: Handle) -> int:
    return len(pynvml.nvmlDeviceGetMPSComputeRunningProcesses_v3(handle))


def _process_shares(handle: Handle, since_us: int) -> list[ProcessShare]:
    found = pynvml.nvmlDeviceGetProcessUtilization(handle, since_us)
    return [ProcessShare(sample.pid, sample.timeStamp, sample.smUtil) for sample in found]


def _mig_mode(handle: Handle) -> bool:
    current, _ = pynvml.nvmlDeviceGetMigMode(handle)
    return bool(current)


def _slices(handle: Handle) -> Slices:
    attributes = pynvml.nvmlDeviceGetAttributes_v2(handle)
    return Slices(attributes.computeInstanceSliceCount, attributes.memorySizeMB)


def _gpm_metrics(before: Handle, after: Handle, metrics: Sequence[int]) -> dict[int, float]:
    request = pynvml.c_nvmlGpmMetricsGet_t()
    request.version = pynvml.NVML_GPM_METRICS_GET_VERSION
    request.numMetrics = len(metrics)
    request.sample1, request.sample2 = before, after
    asked = request.metrics
    for position, metric in enumerate(metrics):
        asked[position].metricId = metric
    pynvml.nvmlGpmMetricsGet(request)
    answered = ((asked[position], metric) for position, metric in enumerate(metrics))
    return {metric: answer.value for answer, metric in answered if answer.nvmlReturn == pynvml.NVML_SUCCESS}


def _register(handle: Handle, kinds: int, events: Handle) -> bool:
    pynvml.nvmlDeviceRegisterEvents(handle, kinds, events)
    return True


def _wait(events: Handle, milliseconds: int) -> Event:
    data = pynvml.nvmlEventSetWait_v2(events, milliseconds)
    return Event(data.device, data.eventType, data.eventData)


def address(handle: Handle) -> int:
    """What tells a device's handle from another's."""
    return ctypes.cast(handle, ctypes.c_void_p).value or 0


def _init() -> bool:
    pynvml.nvmlInit()
    return True


INIT: Final[Call[bool]] = Call("nvmlInitWithFlags", _init)
SHUTDOWN: Final[Call[None]] = Call("nvmlShutdown", pynvml.nvmlShutdown)
DRIVER_VERSION: Final[Call[str]] = Call("nvmlSystemGetDriverVersion", pynvml.nvmlSystemGetDriverVersion)
COUNT: Final[Call[int]] = Call("nvmlDeviceGetCount_v2", pynvml.nvmlDeviceGetCount)
HANDLE: Final[Call[Handle]] = Call("nvmlDeviceGetHandleByIndex_v2", pynvml.nvmlDeviceGetHandleByIndex)
UUID: Final[Call[str]] = Call("nvmlDeviceGetUUID", pynvml.nvmlDeviceGetUUID)
NAME: Final[Call[str]] = Call("nvmlDeviceGetName", pynvml.nvmlDeviceGetName)
FIELDS: Final[Call[list[FieldValue | str]]] = Call("nvmlDeviceGetFieldValues", _field_values)
UTILIZATION: Final[Call[int]] = Call("nvmlDeviceGetUtilizationRates", _utilization)
MEMORY: Final[Call[Memory]] = Call("nvmlDeviceGetMemoryInfo_v2", _memory)
MEMORY_V1: Final[Call[Memory]] = Call("nvmlDeviceGetMemoryInfo", _memory_v1)
POWER: Final[Call[int]] = Call("nvmlDeviceGetPowerUsage", pynvml.nvmlDeviceGetPowerUsage)
POWER_LIMIT: Final[Call[int]] = Call("nvmlDeviceGetEnforcedPowerLimit", pynvml.nvmlDeviceGetEnforcedPowerLimit)
TEMPERATURE: Final[Call[int]] = Call(
    "nvmlDeviceGetTemperature", lambda handle: pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)
)
SM_CLOCK: Final[Call[int]] = Call(
    "nvmlDeviceGetClockInfo", lambda handle: pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM)
)
MEMORY_CLOCK: Final[Call[int]] = Call(
    "nvmlDeviceGetClockInfo", lambda handle: pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_MEM)
)
REASONS: Final[Call[int]] = Call(
    "nvmlDeviceGetCurrentClocksEventReasons", pynvml.nvmlDeviceGetCurrentClocksEventReasons
)
REASONS_OLD: Final[Call[int]] = Call(
    "nvmlDeviceGetCurrentClocksThrottleReasons", pynvml.nvmlDeviceGetCurrentClocksThrottleReasons
)
ECC_ERRORS: Final[Call[int]] = Call(
    "nvmlDeviceGetTotalEccErrors",
    lambda handle, kind: pynvml.nvmlDeviceGetTotalEccErrors(handle, kind, pynvml.NVML_VOLATILE_ECC),
)
ECC_CORRECTED: Final[int] = pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED
ECC_UNCORRECTED: Final[int] = pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED
PROCESSES: Final[Call[list[ProcessMemory]]] = Call("nvmlDeviceGetComputeRunningProcesses_v3", _processes)
PROCESS_SHARES: Final[Call[list[ProcessShare]]] = Call("nvmlDeviceGetProcessUtilization", _process_shares)
MPS_CLIENTS: Final[Call[int]] = Call("nvmlDeviceGetMPSComputeRunningProcesses_v3", _mps_clients)
MIG_MODE: Final[Call[bool]] = Call("nvmlDeviceGetMigMode", _mig_mode)
MIG_SLICES: Final[Call[int]] = Call("nvmlDeviceGetMaxMigDeviceCount", pynvml.nvmlDeviceGetMaxMigDeviceCount)
MIG_HANDLE: Final[Call[Handle]] = Call(
    "nvmlDeviceGetMigDeviceHandleByIndex", pynvml.nvmlDeviceGetMigDeviceHandleByIndex
)
GPU_INSTANCE: Final[Call[int]] = Call("nvmlDeviceGetGpuInstanceId", pynvml.nvmlDeviceGetGpuInstanceId)
SLICES: Final[Call[Slices]] = Call("nvmlDeviceGetAttributes_v2", _slices)
GPM_ALLOC: Final[Call[Handle]] = Call("nvmlGpmSampleAlloc", pynvml.nvmlGpmSampleAlloc)
GPM_FREE: Final[Call[None]] = Call("nvmlGpmSampleFree", pynvml.nvmlGpmSampleFree)
GPM_SAMPLE: Final[Call[Handle]] = Call("nvmlGpmSampleGet", pynvml.nvmlGpmSampleGet)
GPM_MIG_SAMPLE: Final[Call[Handle]] = Call("nvmlGpmMigSampleGet", pynvml.nvmlGpmMigSampleGet)
GPM_METRICS: Final[Call[dict[int, float]]] = Call("nvmlGpmMetricsGet", _gpm_metrics)
EVENT_SET: Final[Call[Handle]] = Call("nvmlEventSetCreate", pynvml.nvmlEventSetCreate)
EVENT_KINDS: Final[Call[int]] = Call("nvmlDeviceGetSupportedEventTypes", pynvml.nvmlDeviceGetSupportedEventTypes)
EVENT_REGISTER: Final[Call[bool]] = Call("nvmlDeviceRegisterEvents", _register)
EVENT_WAIT: Final[Call[Event]] = Call("nvmlEventSetWait_v2", _wait)
EVENT_FREE: Final[Call[None]] = Call("nvmlEventSetFree", pynvml.nvmlEventSetFree)
