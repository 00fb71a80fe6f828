"""The page of dcgm-exporter: fields of DCGM by their names up to 4.8 and from 4.9 on, in our units, once per device.

What has to be known to read it:

- A field that DCGM does not know has a mark for a value (`facts.known`).
- On a shared GPU each pod has lines of its own. They repeat the device's values, except utilization and used memory
  where the exporter knows them by process: these add up.
- In MIG mode all lines are of instances. Power, energy, clocks, temperature and errors on them are the whole GPU's;
  utilization is not supported there and 0 (github.com/NVIDIA/dcgm-exporter, issues 216 and 317).
- Times in which clocks were held down are nanoseconds, also where the help text says "us" (its pull request 589).
- Rates of links are bytes per second, also where the page calls them counters.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from inferometer.catalog import gpus
from inferometer.catalog.labels import READING_SOURCE
from inferometer.catalog.model import Series
from inferometer_exporters.gpus.dcgm_fields import FIELDS, LAST_XID, MEMORY_PARTS, XID_TOTAL
from inferometer_exporters.gpus.dcgm_pods import pods
from inferometer_exporters.gpus.facts import MAX_TEXT, Facts, bounded, known
from inferometer_exporters.pages.exposition import Point

PREFIX: Final = "DCGM_"
SOURCE: Final = READING_SOURCE.values[1]
_UUIDS: Final = ("UUID", "uuid", "gpu_uuid")
_MODELS: Final = ("modelName", "model_name")
_DRIVERS: Final = ("DCGM_FI_DRIVER_VERSION", "DCGM_FI_SYSTEM_DRIVER_VERSION")
_LINKS: Final = ("nvlink", "nvswitch")
_PROFILE: Final = re.compile(r"(?:(\d+)c\.)?(\d+)g\.")
_PERCENT: Final = 100


@dataclass(frozen=True, slots=True)
class Place:
    """What a line is of."""

    gpu: str
    """UUID."""
    instance: str
    """Id of the MIG instance; empty of a whole GPU."""

    @property
    def device(self) -> str:
        """The device label: DCGM does not say the UUID of a MIG instance."""
        return f"{self.gpu}/gi{self.instance}" if self.instance else self.gpu


def first(labels: Mapping[str, str], names: Iterable[str]) -> str:
    """The first label that is there; empty where none is."""
    return next((labels[name] for name in names if labels.get(name)), "")[:MAX_TEXT]


def place(point: Point) -> Place | None:
    """The device of a line; None of a line that is of no device or of one link."""
    gpu = first(point.labels, _UUIDS)
    if not gpu or any(name in point.labels for name in _LINKS):
        return None
    return Place(gpu, first(point.labels, ("GPU_I_ID",)))


def facts(points: Iterable[Point]) -> Facts:
    """What the page says.

    Raises:
        SourceError: it names more devices than there can be.
    """
    placed = [
        (where, point) for point in points if point.name.startswith(PREFIX) and (where := place(point)) is not None
    ]
    bounded(where.device for where, _ in placed)
    found = Facts()
    for labels in _infos(placed):
        found.put(gpus.GPU_INFO, labels, 1)
    for labels in _instances(placed):
        found.put(gpus.GPU_MIG_INFO, labels, 1)
    for device, of_device in _fields(placed).items():
        _tell(found, device, of_device)
    counted = _xids(placed)
    if counted:
        # The exporter counts what we could only see change.
        found.last_xids.clear()
        found.born += [(gpus.GPU_XID_ERRORS, labels, total) for labels, total in counted.items()]
    pods(found, [(where.device, point.labels) for where, point in placed])
    return found


def _xids(placed: Iterable[tuple[Place, Point]]) -> dict[tuple[str, ...], int]:
    """(GPU, XID) -> errors, where the exporter counts them; instances repeat their GPU's."""
    counted: dict[tuple[str, ...], int] = {}
    for where, point in placed:
        xid = first(point.labels, ("xid",))
        if point.name.removesuffix("_total") == XID_TOTAL and xid.isdecimal() and known(point.value) is not None:
            key = where.gpu, xid
            counted[key] = max(counted.get(key, 0), int(point.value))
    return counted


def _infos(placed: Iterable[tuple[Place, Point]]) -> Iterable[tuple[str, ...]]:
    """(UUID, name, driver, source) of each GPU."""
    seen: dict[str, tuple[str, str]] = {}
    for where, point in placed:
        name, driver = seen.get(where.gpu, ("", ""))
        seen[where.gpu] = name or first(point.labels, _MODELS), driver or first(point.labels, _DRIVERS)
    return [(gpu, name, driver, SOURCE) for gpu, (name, driver) in seen.items()]


def _instances(placed: Iterable[tuple[Place, Point]]) -> Iterable[tuple[str, ...]]:
    """(device, GPU, profile, compute slices) of each MIG instance whose profile is told."""
    seen: dict[Place, str] = {}
    for where, point in placed:
        if where.instance and (profile := first(point.labels, ("GPU_I_PROFILE",))):
            seen[where] = profile
    return [
        (where.device, where.gpu, profile, slices)
        for where, profile in seen.items()
        if (slices := compute_slices(profile))
    ]


def compute_slices(profile: str) -> str:
    """Compute slices of a MIG profile such as ``1g.10gb`` or ``1c.3g.40gb``; empty where it is none."""
    found = _PROFILE.match(profile)
    return (found[1] or found[2]) if found else ""


@dataclass(slots=True)
class _Device:
    """Fields of one device in the page's units, ratios as shares of 1."""

    values: dict[str, float] = field(default_factory=dict)
    by_process: set[str] = field(default_factory=set)
    """Fields whose lines were of one pod's processes each."""


def _fields(placed: Iterable[tuple[Place, Point]]) -> dict[str, _Device]:
    """What is known of each device, once."""
    lines: dict[tuple[str, str], list[float]] = {}
    for where, point in placed:
        name = point.name.removesuffix("_total")
        of = FIELDS.get(name)
        value = known(point.value)
        if of is None or value is None or (where.instance and of.unsupported):
            continue
        if of.percent and _says_percent(name, point.help):
            value /= _PERCENT
        lines.setdefault((where.gpu if of.whole else where.device, name), []).append(value)
    found: dict[str, _Device] = {}
    for (device, name), values in lines.items():
        of_device = found.setdefault(device, _Device())
        if FIELDS[name].by_process and len(set(values)) > 1:
            of_device.by_process.add(name)
            of_device.values[name] = min(sum(values), 1.0) if FIELDS[name].percent else sum(values)
        else:
            # The lines of MIG instances have the whole GPU's value of a moment each.
            of_device.values[name] = max(values)
    return found


def _says_percent(name: str, text: str) -> bool:
    """Whether a field is in percent: DCGM 4.6 had the new name for the old percentage, the help text tells."""
    return not name.endswith("_RATIO") or "%" in text or "percent" in text.lower()


def _tell(found: Facts, device: str, of_device: _Device) -> None:
    """Add what is known of a device."""
    best = _best(of_device)
    if (gpus.GPU_MEMORY_TOTAL, "") not in best and (total := _memory(of_device)) is not None:
        best[gpus.GPU_MEMORY_TOTAL, ""] = _Known(0, total, rate=False)
    counted = (gpus.GPU_ENERGY, "") in best
    for (entry, label), known_by in best.items():
        labels = (device, label) if label else (device,)
        if known_by.rate:
            found.rates.append((entry, labels, known_by.value))
        elif entry.kind == "counter":
            found.totals.append((entry, labels, round(known_by.value)))
        else:
            found.measure(entry, labels, known_by.value, counted=counted)
    found.last_xids += [(device, int(of_device.values[name])) for name in LAST_XID if name in of_device.values]


@dataclass(slots=True)
class _Known:
    rank: int
    value: float
    rate: bool


def _best(of_device: _Device) -> dict[tuple[Series, str], _Known]:
    """(series, second label) -> its value by the fields that know it best, in stored units."""
    best: dict[tuple[Series, str], _Known] = {}
    for name, value in of_device.values.items():
        of = FIELDS[name]
        if of.entry is None:
            continue
        ours = _Known(of.rank, value * of.factor, rate=of.rate)
        before = best.setdefault((of.entry, of.value), ours)
        if of.rank < before.rank:
            best[of.entry, of.value] = ours
        elif of.rank == before.rank and before is not ours:
            before.value += ours.value
    return best


def _memory(of_device: _Device) -> float | None:
    """Memory in all, bytes: what is used, free and reserved; None where not all of the device's is told."""
    used, free, reserved = (
        [of_device.values[name] * FIELDS[name].factor for name in names if name in of_device.values]
        for names in MEMORY_PARTS
    )
    if not used or not free or of_device.by_process.intersection(MEMORY_PARTS[0]):
        return None
    return used[0] + free[0] + sum(reserved[:1])
