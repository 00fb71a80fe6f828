"""The page of nvidia_gpu_exporter (github.com/utkuozdemir/nvidia_gpu_exporter): base units, one line per device.

Its UUIDs are in lower case without ``GPU-`` and ``MIG-``. Series of a MIG instance name the GPU instance; what a GPU
instance has is its compute instances' together, so it is a device's only where there is one of them.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from inferometer.catalog import gpus
from inferometer.catalog.labels import ECC_KIND, LINK_DIRECTION, READING_SOURCE, THROTTLE_REASON
from inferometer.catalog.model import Series
from inferometer.errors import SourceError
from inferometer_exporters.gpus.dcgm import compute_slices
from inferometer_exporters.gpus.facts import MAX_TEXT, Facts, bounded, known
from inferometer_exporters.pages.exposition import Point

PREFIX: Final = "nvidia_smi_"
SOURCE: Final = READING_SOURCE.values[3]
_CORRECTED, _UNCORRECTED = ECC_KIND.values
_RX, _TX = LINK_DIRECTION.values
_POWER_CAP, _THERMAL, _HARDWARE, _SYNC_BOOST, _ = THROTTLE_REASON.values
_VALUES: Final[Mapping[str, Series]] = {
    "utilization_gpu_ratio": gpus.GPU_UTILIZATION,
    "memory_used_bytes": gpus.GPU_MEMORY_USED,
    "memory_total_bytes": gpus.GPU_MEMORY_TOTAL,
    "power_draw_watts": gpus.GPU_POWER,
    "enforced_power_limit_watts": gpus.GPU_POWER_LIMIT,
    "temperature_gpu": gpus.GPU_TEMPERATURE,
    "clocks_current_sm_clock_hz": gpus.GPU_SM_CLOCK,
    "clocks_current_memory_clock_hz": gpus.GPU_MEMORY_CLOCK,
}
_OF_INSTANCE: Final[Mapping[str, Series]] = {
    "mig_graphics_activity_ratio": gpus.GPU_UTILIZATION,
    "mig_sm_activity_ratio": gpus.GPU_SM_ACTIVE,
    "mig_sm_occupancy_ratio": gpus.GPU_SM_OCCUPANCY,
    "mig_tensor_activity_ratio": gpus.GPU_TENSOR_ACTIVE,
    "mig_memory_used_bytes": gpus.GPU_MEMORY_USED,
    "mig_memory_total_bytes": gpus.GPU_MEMORY_TOTAL,
}
_TOTALS: Final[Mapping[str, tuple[Series, tuple[str, ...]]]] = {
    "energy_joules_total": (gpus.GPU_ENERGY, ()),
    "clocks_event_reasons_counters_sw_power_cap_seconds": (gpus.GPU_THROTTLE, (_POWER_CAP,)),
    "clocks_event_reasons_counters_sw_thermal_slowdown_seconds": (gpus.GPU_THROTTLE, (_THERMAL,)),
    "clocks_event_reasons_counters_hw_thermal_slowdown_seconds": (gpus.GPU_THROTTLE, (_THERMAL,)),
    "clocks_event_reasons_counters_hw_power_brake_slowdown_seconds": (gpus.GPU_THROTTLE, (_HARDWARE,)),
    "clocks_event_reasons_counters_sync_boost_seconds": (gpus.GPU_THROTTLE, (_SYNC_BOOST,)),
    "ecc_errors_corrected_volatile_total": (gpus.GPU_ECC_ERRORS, (_CORRECTED,)),
    "ecc_errors_uncorrected_volatile_total": (gpus.GPU_ECC_ERRORS, (_UNCORRECTED,)),
}
"""Series and its second label; several of one add up."""
_RATES: Final[Mapping[str, str]] = {
    "pcie_throughput_rx_bytes_per_second": _RX,
    "pcie_throughput_tx_bytes_per_second": _TX,
}
_INFO: Final = "nvidia_smi_gpu_info"
_XID: Final = "xid_errors_total"
_PROCESS: Final = "compute_app_used_memory_bytes"


def facts(points: Iterable[Point]) -> Facts:
    """What the page says.

    Raises:
        SourceError: the exporter itself could not read the devices, or names more than there can be.
    """
    lines = [
        (point.name.removeprefix(PREFIX), point)
        for point in points
        if point.name.startswith(PREFIX) and known(point.value) is not None
    ]
    _check(lines)
    bounded(_uuid(point) for _, point in lines)
    of_gpus = [(name, gpu, point) for name, point in lines if (gpu := _uuid(point))]
    found = Facts()
    totals = _totals(of_gpus)
    for (entry, labels), total in totals.items():
        found.totals.append((entry, labels, total))
    for name, gpu, point in of_gpus:
        if name in _VALUES:
            counted = (gpus.GPU_ENERGY, (gpu,)) in totals
            found.measure(_VALUES[name], (gpu,), point.value, counted=counted)
        elif name in _RATES:
            found.rates.append((gpus.GPU_PCIE, (gpu, _RATES[name]), point.value))
        elif name == _XID:
            found.born.append((gpus.GPU_XID_ERRORS, (gpu, _text(point, "xid")), int(point.value)))
        elif name == _PROCESS:
            found.put(gpus.GPU_PROCESS_MEMORY, (gpu, _text(point, "pid")), point.value)
        elif point.name == _INFO:
            found.put(gpus.GPU_INFO, (gpu, _text(point, "name"), _text(point, "driver_version"), SOURCE), 1)
    _instances(found, of_gpus)
    return found


def source(entry: Series) -> str:
    """Names on a page that a series is made of."""
    told: list[tuple[str, Series]] = [
        *_VALUES.items(),
        *_OF_INSTANCE.items(),
        *((name, of) for name, (of, _) in _TOTALS.items()),
        *((name, gpus.GPU_PCIE) for name in _RATES),
        (_XID, gpus.GPU_XID_ERRORS),
        (_PROCESS, gpus.GPU_PROCESS_MEMORY),
        (_INFO.removeprefix(PREFIX), gpus.GPU_INFO),
        ("mig_info", gpus.GPU_MIG_INFO),
    ]
    return " or ".join(f"{PREFIX}{name}" for name, of in told if of is entry)


def _totals(of_gpus: Iterable[tuple[str, str, Point]]) -> dict[tuple[Series, tuple[str, ...]], int]:
    totals: dict[tuple[Series, tuple[str, ...]], int] = {}
    for name, gpu, point in of_gpus:
        if name in _TOTALS:
            entry, label = _TOTALS[name]
            key = entry, (gpu, *label)
            totals[key] = totals.get(key, 0) + round(point.value * entry.scale)
    return totals


def _check(lines: Iterable[tuple[str, Point]]) -> None:
    """See that the exporter could read its devices: where it could not, it goes on showing what they were."""
    for name, point in lines:
        if name == "last_collect_success" and not point.value:
            raise SourceError("nvidia_gpu_exporter could not read its devices")
        if name == "command_exit_code" and point.value:
            raise SourceError(f"nvidia_gpu_exporter's command ended with status {point.value:.0f}")


def _instances(found: Facts, of_gpus: Iterable[tuple[str, str, Point]]) -> None:
    """Add the MIG instances and what is known of them."""
    of_gpu_instance: dict[tuple[str, str], list[str]] = {}
    for name, gpu, point in of_gpus:
        uuid, profile = _text(point, "mig_uuid"), _text(point, "profile")
        slices = compute_slices(profile)
        if name == "mig_info" and uuid and slices:
            device = f"MIG-{uuid.lower()}"
            of_gpu_instance.setdefault((gpu, _text(point, "gpu_instance_id")), []).append(device)
            found.put(gpus.GPU_MIG_INFO, (device, gpu, profile, slices), 1)
    for name, gpu, point in of_gpus:
        instances = of_gpu_instance.get((gpu, _text(point, "gpu_instance_id")), [])
        if name in _OF_INSTANCE and len(instances) == 1:
            found.measure(_OF_INSTANCE[name], (instances[0],), point.value)


def _uuid(point: Point) -> str:
    """UUID as the driver writes it; empty of a line that is of no GPU."""
    uuid = _text(point, "uuid").lower()
    return f"GPU-{uuid.removeprefix('gpu-')}" if uuid else ""


def _text(point: Point, label: str) -> str:
    return point.labels.get(label, "")[:MAX_TEXT]
