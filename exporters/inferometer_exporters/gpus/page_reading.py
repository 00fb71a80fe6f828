"""A page of a GPU exporter, read once: whose it is, in which names, what it tells of which device and what it lacks."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Final

from inferometer.catalog import gpus
from inferometer.catalog.model import Series
from inferometer.fleet.engines.vocabulary import Quality
from inferometer_exporters.engines.detection import VersionFrom
from inferometer_exporters.engines.reading import Missing, Reading, Value
from inferometer_exporters.gpus import dcgm, smi_page
from inferometer_exporters.gpus.dcgm_fields import FIELDS, LAST_XID, MEMORY_PARTS, NEW_NAMES, XID_TOTAL
from inferometer_exporters.gpus.facts import Facts
from inferometer_exporters.pages.exposition import points

DCGM: Final = "dcgm-exporter"
SMI: Final = "nvidia_gpu_exporter"
TOLD: Final = (
    gpus.GPU_UTILIZATION,
    gpus.GPU_SM_ACTIVE,
    gpus.GPU_SM_OCCUPANCY,
    gpus.GPU_TENSOR_ACTIVE,
    gpus.GPU_DRAM_ACTIVE,
    gpus.GPU_MEMORY_USED,
    gpus.GPU_MEMORY_TOTAL,
    gpus.GPU_POWER,
    gpus.GPU_POWER_LIMIT,
    gpus.GPU_ENERGY,
    gpus.GPU_TEMPERATURE,
    gpus.GPU_SM_CLOCK,
    gpus.GPU_MEMORY_CLOCK,
    gpus.GPU_THROTTLE,
    gpus.GPU_XID_ERRORS,
    gpus.GPU_ECC_ERRORS,
    gpus.GPU_PCIE,
    gpus.GPU_NVLINK,
    gpus.GPU_NVLINK_ERRORS,
)
"""What a page can tell of a GPU; of a missing one is said how it is had."""
_ABOUT: Final = (gpus.GPU_INFO, gpus.GPU_MIG_INFO)
_RATE: Final = "Per second now; the sidecar adds it up."
_LAST: Final = "The newest one only, and 0 is none; the sidecar counts its changes."
_NVML: Final = "the NVML backend of nvidia_gpu_exporter"
_CSV: Final = "add {} to the counters that dcgm-exporter is started with (-f)"
IGNORED: Final[Mapping[str, tuple[str, ...]]] = {
    "Nothing of ours is made of it: clocks, fans, states and limits that neither explain a request nor its cost.": (
        "*_FAN_SPEED*", "*_PSTATE*", "*_SLOWDOWN_TEMP*", "*_MEMORY_TEMP*", "*_MEM_MAX_OP_TEMP*", "*_POWER_MGMT_LIMIT*",
        "*_VGPU_LICENSE_STATUS*", "DCGM_FI_DEV_COUNT", "*_DRIVER_VERSION", "*_REMAP*",
    ),
    "Activity of parts that no inference of ours waits for, or that another field says better.": (
        "*_MEM_COPY_UTIL", "*_MEMORY_UTIL_RATIO", "*_ENC_UTIL*", "*_DEC_UTIL*", "*_PROF_PIPE_*", "*_PROF_FP*",
        "*_FB_USED_PERCENT", "*_NVLINK_BANDWIDTH_*", "*_NVLINK_THROUGHPUT_*",
    ),
    "Counters of links and of the exporter itself.": ("*_PCIE_REPLAY*", "*_PCIE_MAX_*", "*_PCIE_LINK_*", "DCGM_EXP_*"),
    "Bits; how long each was set is another field.": ("*_CLOCK_THROTTLE_REASONS", "*_CLOCKS_EVENT_REASONS"),
}  # fmt: skip
"""Names of DCGM of which nothing is made, and why."""


def is_gpu_page(names: Iterable[str]) -> bool:
    """Whether a page with these names is of a GPU exporter that we know."""
    return any(name.startswith((dcgm.PREFIX, smi_page.PREFIX)) for name in names)


def read(page: bytes) -> Reading:
    """What a page of a GPU exporter says.

    Raises:
        SourceError: it is not in Prometheus' text format, or the exporter itself could not read its devices.
    """
    lines = points(page if page.endswith(b"\n") else page + b"\n")
    names = {line.name.removesuffix("_total") for line in lines if line.name.startswith(dcgm.PREFIX)}
    is_dcgm = bool(names)
    facts = dcgm.facts(lines) if is_dcgm else smi_page.facts(lines)
    signals: dict[str, list[Value]] = {}
    for entry, value in _values(facts):
        source = _source(entry, names) if is_dcgm else smi_page.source(entry)
        signals.setdefault(entry.name, []).append(replace(value, source=source))
    return Reading(
        engine=DCGM if is_dcgm else SMI,
        title=DCGM if is_dcgm else SMI,
        version=_version(names) if is_dcgm else "",
        version_from=VersionFrom.NAMES if is_dcgm else VersionFrom.UNKNOWN,
        signals={entry.name: signals[entry.name] for entry in (*_ABOUT, *TOLD) if entry.name in signals},
        unknown=sorted(name for name in names if not _is_known(name)),
        missing={entry.name: _missing(entry, is_dcgm=is_dcgm) for entry in TOLD if entry.name not in signals},
        faults={},
        samples=len(lines),
    )


def _values(facts: Facts) -> Iterator[tuple[Series, Value]]:
    for reading in facts.readings:
        yield reading.entry, _value(reading.entry, reading.labels, reading.value)
    for entry, labels, total in (*facts.totals, *facts.born):
        yield entry, _value(entry, labels, total)
    for entry, labels, rate in facts.rates:
        yield entry, _value(entry, labels, rate, reason=_RATE)
    for device, xid in facts.last_xids:
        yield gpus.GPU_XID_ERRORS, _value(gpus.GPU_XID_ERRORS, (device, str(xid or "")), float(xid > 0), _LAST)


def _value(entry: Series, labels: tuple[str, ...], stored: float, reason: str = "") -> Value:
    return Value(
        labels={name: said for name, said in zip(entry.label_names, labels, strict=True) if said},
        source="",
        quality=Quality.APPROXIMATE if reason else Quality.EXACT,
        reason=reason,
        value=stored / entry.scale,
    )


def _source(entry: Series, names: Iterable[str]) -> str:
    """The fields of a page that a series is made of: those of the lowest rank that are there."""
    if entry in _ABOUT:
        return "labels"
    there = [name for name in names if name in FIELDS and FIELDS[name].entry is entry]
    lowest = min((FIELDS[name].rank for name in there), default=0)
    made_of = [name for name in there if FIELDS[name].rank == lowest]
    if entry is gpus.GPU_XID_ERRORS:
        made_of = [name for name in names if name in {*LAST_XID, XID_TOTAL.removesuffix("_TOTAL")}]
    if entry is gpus.GPU_MEMORY_TOTAL and not made_of:
        made_of = [name for parts in MEMORY_PARTS for name in parts if name in names]
    return " + ".join(sorted(made_of))


def _version(names: Iterable[str]) -> str:
    """By the names: those of both are on a page that is between the two."""
    new = any(name in NEW_NAMES for name in names)
    old = any(name in FIELDS and name not in NEW_NAMES for name in names)
    return ">=4.9" if new and not old else "<4.9" if old and not new else ""


def _is_known(name: str) -> bool:
    known = name in FIELDS or name in LAST_XID or name == XID_TOTAL.removesuffix("_TOTAL")
    return known or any(fnmatchcase(name, pattern) for patterns in IGNORED.values() for pattern in patterns)


def _missing(entry: Series, *, is_dcgm: bool) -> Missing:
    if not is_dcgm:
        return Missing(reason="Not on this page; what the driver does not tell, the exporter leaves out.", flag=_NVML)
    fields = [name for name, field in FIELDS.items() if field.entry is entry]
    wanted = LAST_XID if entry is gpus.GPU_XID_ERRORS else fields
    return Missing(reason="Not among the fields on this page.", flag=_CSV.format(" or ".join(wanted[:1])))
