"""Fields of DCGM as dcgm-exporter names them, with the series and the unit they are in.

Names and units up to dcgm-exporter 4.8 are from its ``etc/default-counters.csv`` and DCGM's ``dcgm_fields.py``, those
from 4.9 on from github.com/NVIDIA/go-dcgm and DCGM's list of field identifiers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from inferometer.catalog import gpus
from inferometer.catalog.labels import ECC_KIND, LINK_DIRECTION, LINK_ERROR, THROTTLE_REASON
from inferometer.catalog.model import Series

_POWER_CAP, _THERMAL, _HARDWARE, _SYNC_BOOST, _OTHER = THROTTLE_REASON.values
_CORRECTED, _UNCORRECTED = ECC_KIND.values
_RX, _TX = LINK_DIRECTION.values
_CRC_FLIT, _CRC_DATA, _REPLAY, _RECOVERY, _LINK_DOWN = LINK_ERROR.values
_MIB: Final = 1 << 20
_MHZ: Final = 10**6
_MILLIJOULE: Final = gpus.GPU_ENERGY.scale // 1000
_JOULE: Final = gpus.GPU_ENERGY.scale
_NANOSECOND: Final = gpus.GPU_THROTTLE.scale // 10**9
_SECOND: Final = gpus.GPU_THROTTLE.scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """How a field is read."""

    entry: Series | None = None
    """Its series; None of what is only a part of another one."""
    value: str = ""
    """Of the series' second label, where it has one."""
    factor: int = 1
    """Stored units of the series per unit of the field."""
    rank: int = 0
    """Where several fields give one value, those of the lowest rank do; they add up."""
    whole: bool = False
    """Of the whole GPU, also on the line of a MIG instance."""
    unsupported: bool = False
    """Without a meaning on the line of a MIG instance."""
    by_process: bool = False
    """May be of one pod's processes on the line of a pod."""
    percent: bool = False
    """0 to 100, unless its name says ratio and its help text does not speak of percent."""
    rate: bool = False
    """Units per second, to be integrated."""


def _both(field: Field, *names: str) -> dict[str, Field]:
    return dict.fromkeys(names, field)


def _throttle(reason: str, *, rank: int, factor: int = _NANOSECOND) -> Field:
    return Field(entry=gpus.GPU_THROTTLE, value=reason, factor=factor, rank=rank, whole=True)


def _rate(entry: Series, direction: str) -> Field:
    return Field(entry=entry, value=direction, rank=1, whole=True, rate=True)


def _counted(entry: Series, value: str) -> Field:
    return Field(entry=entry, value=value, whole=True)


_UTILIZATION: Final = Field(entry=gpus.GPU_UTILIZATION, unsupported=True, by_process=True, percent=True)
_USED: Final = Field(entry=gpus.GPU_MEMORY_USED, by_process=True)
_TOTAL: Final = Field(entry=gpus.GPU_MEMORY_TOTAL)
_PART: Final = Field()

_OLD: Final[Mapping[str, Field]] = {
    "DCGM_FI_DEV_GPU_UTIL": _UTILIZATION,
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": Field(entry=gpus.GPU_UTILIZATION, rank=1),
    "DCGM_FI_PROF_SM_ACTIVE": Field(entry=gpus.GPU_SM_ACTIVE),
    "DCGM_FI_PROF_SM_OCCUPANCY": Field(entry=gpus.GPU_SM_OCCUPANCY),
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": Field(entry=gpus.GPU_TENSOR_ACTIVE),
    "DCGM_FI_PROF_DRAM_ACTIVE": Field(entry=gpus.GPU_DRAM_ACTIVE),
    "DCGM_FI_DEV_FB_USED": replace(_USED, factor=_MIB),
    "DCGM_FI_DEV_FB_TOTAL": replace(_TOTAL, factor=_MIB),
    "DCGM_FI_DEV_FB_FREE": replace(_PART, factor=_MIB),
    "DCGM_FI_DEV_FB_RESERVED": replace(_PART, factor=_MIB),
    "DCGM_FI_DEV_POWER_USAGE": Field(entry=gpus.GPU_POWER, whole=True),
    "DCGM_FI_DEV_ENFORCED_POWER_LIMIT": Field(entry=gpus.GPU_POWER_LIMIT, whole=True),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": Field(entry=gpus.GPU_ENERGY, factor=_MILLIJOULE, whole=True),
    "DCGM_FI_DEV_GPU_TEMP": Field(entry=gpus.GPU_TEMPERATURE, whole=True),
    "DCGM_FI_DEV_SM_CLOCK": Field(entry=gpus.GPU_SM_CLOCK, factor=_MHZ, whole=True),
    "DCGM_FI_DEV_MEM_CLOCK": Field(entry=gpus.GPU_MEMORY_CLOCK, factor=_MHZ, whole=True),
    "DCGM_FI_DEV_POWER_VIOLATION": _throttle(_POWER_CAP, rank=0),
    "DCGM_FI_DEV_THERMAL_VIOLATION": _throttle(_THERMAL, rank=0),
    "DCGM_FI_DEV_SYNC_BOOST_VIOLATION": _throttle(_SYNC_BOOST, rank=0),
    "DCGM_FI_DEV_BOARD_LIMIT_VIOLATION": _throttle(_OTHER, rank=0),
    "DCGM_FI_DEV_RELIABILITY_VIOLATION": _throttle(_OTHER, rank=0),
    "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL": Field(entry=gpus.GPU_ECC_ERRORS, value=_CORRECTED, whole=True),
    "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": Field(entry=gpus.GPU_ECC_ERRORS, value=_UNCORRECTED, whole=True),
    "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL": Field(entry=gpus.GPU_ECC_ERRORS, value=_CORRECTED, rank=1, whole=True),
    "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL": Field(entry=gpus.GPU_ECC_ERRORS, value=_UNCORRECTED, rank=1, whole=True),
    "DCGM_FI_PROF_PCIE_RX_BYTES": _rate(gpus.GPU_PCIE, _RX),
    "DCGM_FI_PROF_PCIE_TX_BYTES": _rate(gpus.GPU_PCIE, _TX),
    "DCGM_FI_PROF_NVLINK_RX_BYTES": _rate(gpus.GPU_NVLINK, _RX),
    "DCGM_FI_PROF_NVLINK_TX_BYTES": _rate(gpus.GPU_NVLINK, _TX),
    "DCGM_FI_DEV_NVLINK_COUNT_RX_BYTES": _counted(gpus.GPU_NVLINK, _RX),
    "DCGM_FI_DEV_NVLINK_COUNT_TX_BYTES": _counted(gpus.GPU_NVLINK, _TX),
    "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL": _counted(gpus.GPU_NVLINK_ERRORS, _CRC_FLIT),
    "DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL": _counted(gpus.GPU_NVLINK_ERRORS, _CRC_DATA),
    "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL": _counted(gpus.GPU_NVLINK_ERRORS, _REPLAY),
    "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL": _counted(gpus.GPU_NVLINK_ERRORS, _RECOVERY),
    "DCGM_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_SUCCESSFUL_EVENTS": _counted(gpus.GPU_NVLINK_ERRORS, _RECOVERY),
    "DCGM_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_FAILED_EVENTS": _counted(gpus.GPU_NVLINK_ERRORS, _LINK_DOWN),
    "DCGM_FI_DEV_XID_ERRORS": Field(whole=True),
}
_NEW: Final[Mapping[str, Field]] = {
    "DCGM_FI_DEV_GPU_UTIL_RATIO": _UTILIZATION,
    "DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO": _OLD["DCGM_FI_PROF_GR_ENGINE_ACTIVE"],
    "DCGM_FI_PROF_SM_UTIL_RATIO": _OLD["DCGM_FI_PROF_SM_ACTIVE"],
    "DCGM_FI_PROF_SM_OCCUPANCY_RATIO": _OLD["DCGM_FI_PROF_SM_OCCUPANCY"],
    "DCGM_FI_PROF_TENSOR_UTIL_RATIO": _OLD["DCGM_FI_PROF_PIPE_TENSOR_ACTIVE"],
    "DCGM_FI_PROF_DRAM_UTIL_RATIO": _OLD["DCGM_FI_PROF_DRAM_ACTIVE"],
    "DCGM_FI_DEV_FB_USED_BYTES": _USED,
    "DCGM_FI_DEV_FB_CAPACITY_BYTES": _TOTAL,
    "DCGM_FI_DEV_FB_FREE_BYTES": _PART,
    "DCGM_FI_DEV_FB_RESERVED_BYTES": _PART,
    "DCGM_FI_DEV_BOARD_POWER_WATTS": _OLD["DCGM_FI_DEV_POWER_USAGE"],
    "DCGM_FI_DEV_BOARD_POWER_LIMIT_ENFORCED_WATTS": _OLD["DCGM_FI_DEV_ENFORCED_POWER_LIMIT"],
    "DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL": Field(entry=gpus.GPU_ENERGY, factor=_JOULE, whole=True),
    "DCGM_FI_DEV_GPU_TEMP_CELSIUS": _OLD["DCGM_FI_DEV_GPU_TEMP"],
    "DCGM_FI_DEV_SM_CLOCK_HERTZ": Field(entry=gpus.GPU_SM_CLOCK, whole=True),
    "DCGM_FI_DEV_MEMORY_CLOCK_HERTZ": Field(entry=gpus.GPU_MEMORY_CLOCK, whole=True),
    "DCGM_FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP_NS": _throttle(_POWER_CAP, rank=1),
    "DCGM_FI_DEV_CLOCKS_EVENT_REASON_SYNC_BOOST_NS": _throttle(_SYNC_BOOST, rank=1),
    "DCGM_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN_NS": _throttle(_THERMAL, rank=1),
    "DCGM_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN_NS": _throttle(_THERMAL, rank=1),
    "DCGM_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN_NS": _throttle(_HARDWARE, rank=1),
    "DCGM_FI_PROF_PCIE_RX_BYTES_TOTAL": _counted(gpus.GPU_PCIE, _RX),
    "DCGM_FI_PROF_PCIE_TX_BYTES_TOTAL": _counted(gpus.GPU_PCIE, _TX),
    "DCGM_FI_DEV_NVLINK_RX_BYTES_TOTAL": _counted(gpus.GPU_NVLINK, _RX),
    "DCGM_FI_DEV_NVLINK_TX_BYTES_TOTAL": _counted(gpus.GPU_NVLINK, _TX),
    "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_TOTAL": _counted(gpus.GPU_NVLINK_ERRORS, _CRC_FLIT),
    "DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_TOTAL": _counted(gpus.GPU_NVLINK_ERRORS, _CRC_DATA),
    "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_TOTAL": _counted(gpus.GPU_NVLINK_ERRORS, _REPLAY),
    "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_TOTAL": _counted(gpus.GPU_NVLINK_ERRORS, _RECOVERY),
    "DCGM_FI_DEV_NVLINK_RECOVERY_SUCCESSFUL_TOTAL": _counted(gpus.GPU_NVLINK_ERRORS, _RECOVERY),
    "DCGM_FI_DEV_NVLINK_RECOVERY_FAILED_TOTAL": _counted(gpus.GPU_NVLINK_ERRORS, _LINK_DOWN),
    "DCGM_FI_DEV_XID_ERROR": Field(whole=True),
}
FIELDS: Final[Mapping[str, Field]] = {
    **{name: replace(field, rank=2 * field.rank) for name, field in _OLD.items()},
    **{name: replace(field, rank=2 * field.rank + 1) for name, field in _NEW.items()},
}
"""By name. Both schemes may be on one page: the old ones are believed, they do not add up with the new ones."""
NEW_NAMES: Final = frozenset(_NEW)
"""Those of dcgm-exporter from 4.9 on."""
LAST_XID: Final[Sequence[str]] = ("DCGM_FI_DEV_XID_ERRORS", "DCGM_FI_DEV_XID_ERROR")
"""The newest XID of a device, 0 for none."""
XID_TOTAL: Final = "DCGM_EXP_XID_ERRORS_TOTAL"
"""Errors by XID, which the exporter counts where it is told to."""
MEMORY_PARTS: Final[Sequence[Sequence[str]]] = (
    ("DCGM_FI_DEV_FB_USED_BYTES", "DCGM_FI_DEV_FB_USED"),
    ("DCGM_FI_DEV_FB_FREE_BYTES", "DCGM_FI_DEV_FB_FREE"),
    ("DCGM_FI_DEV_FB_RESERVED_BYTES", "DCGM_FI_DEV_FB_RESERVED"),
)
"""Used, free and reserved memory, which make up all of it."""
