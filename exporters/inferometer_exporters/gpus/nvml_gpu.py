"""Readings of one GPU: the fast ones each round, the slow ones every ten seconds; totals outlive driver and handle."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from inferometer.catalog import gpus
from inferometer.catalog.labels import ECC_KIND, LINK_DIRECTION, LINK_ERROR
from inferometer_exporters.gpus import nvml_library as nvml
from inferometer_exporters.gpus.nvml_activity import Activity
from inferometer_exporters.gpus.nvml_calls import SOURCE, Calls
from inferometer_exporters.gpus.nvml_library import FieldId, FieldValue, Handle
from inferometer_exporters.gpus.nvml_memory import memory_readings
from inferometer_exporters.gpus.nvml_mig import Mig
from inferometer_exporters.gpus.nvml_processes import PlaceOf, Processes, nowhere
from inferometer_exporters.gpus.nvml_totals import THROTTLE_FIELDS, Energy, Rising, Throttle
from inferometer_exporters.source import Reading

SLOW_NS: Final = 10 * 10**9
"""Time between readings of what changes slowly, or is dear to ask."""
_MEGA: Final = 10**6
_MILLI: Final = 1_000
_PERCENT: Final = 100
_KIB: Final = 1_024
_RX, _TX = LINK_DIRECTION.values
_CORRECTED, _UNCORRECTED = ECC_KIND.values
_PCIE: Final = {nvml.PCIE_RX: _RX, nvml.PCIE_TX: _TX}
_NVLINK: Final = {nvml.NVLINK_RX: _RX, nvml.NVLINK_TX: _TX}
_NVLINK5: Final = {nvml.NVLINK5_RX: _RX, nvml.NVLINK5_TX: _TX}
_FIELDS: Final = (
    nvml.POWER_NOW,
    nvml.ENERGY,
    *(field for fields in THROTTLE_FIELDS.values() for field in fields),
    *_PCIE,
    *_NVLINK,
    *_NVLINK5,
)
_CRC_FLIT, _CRC_DATA, _REPLAY, _RECOVERY, _LINK_DOWN = LINK_ERROR.values
# A chip has either the first four or the last two.
_LINK_ERRORS: Final = {
    nvml.NVLINK_CRC_FLIT: _CRC_FLIT,
    nvml.NVLINK_CRC_DATA: _CRC_DATA,
    nvml.NVLINK_REPLAY: _REPLAY,
    nvml.NVLINK_RECOVERY: _RECOVERY,
    nvml.NVLINK5_RECOVERED: _RECOVERY,
    nvml.NVLINK5_DOWN: _LINK_DOWN,
}
_ECC: Final = {_CORRECTED: nvml.ECC_CORRECTED, _UNCORRECTED: nvml.ECC_UNCORRECTED}


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU, as the library lists it now."""

    handle: Handle
    uuid: str
    name: str
    driver: str


class GpuReader:
    """Reads one GPU, in one thread.

    Args:
        gpu: which.
        calls: of the thread.
        place_of: finds a process's container and pod.
    """

    def __init__(self, gpu: Gpu, calls: Calls, place_of: PlaceOf = nowhere) -> None:
        self._calls = calls
        self._gpu = gpu
        self._labels = (gpu.uuid,)
        self._energy = Energy()
        self._throttle = Throttle()
        self._links = {field: Rising() for field in (*_PCIE, *_NVLINK, *_NVLINK5, *_LINK_ERRORS)}
        self._ecc = {kind: Rising() for kind in _ECC}
        self._activity = Activity(calls, gpu.uuid)
        self._processes = Processes(calls, gpu.uuid, place_of)
        self._mig = Mig(calls, gpu.uuid, place_of)
        self._slow_ns: int | None = None
        self._held: tuple[Reading, ...] = ()
        self.slow_soon = False
        """The slow readings are news: an event said so."""

    def found(self, gpu: Gpu) -> None:
        """The same GPU was found anew: another handle, maybe another driver, the same totals."""
        self._gpu = gpu
        self._slow_ns = None
        self._calls.forget()
        self._activity.restart()
        self._mig.restart()

    def readings(self, now_ns: int) -> Iterator[Reading]:
        """All readings now.

        Raises:
            LostError: the device is gone.
            ReloadedError: the driver is.
        """
        gpu, labels = self._gpu, self._labels
        slow = self.slow_soon or self._slow_ns is None or now_ns - self._slow_ns >= SLOW_NS
        # Before anything is read of them: instances may be gone.
        if slow and self._mig.refresh(gpu.handle):
            self._calls.forget()
        yield from self._gauges()
        fields = self._calls.fields(gpu.handle, _FIELDS)
        yield from self._counters(fields, now_ns)
        yield from self._activity.readings(gpu.handle, now_ns)
        failed = self._calls.failed
        yield from self._mig.readings(gpu.handle, now_ns, slow=slow)
        if slow:
            self._held = tuple(self._slow())
            self.slow_soon, self._slow_ns = False, now_ns
        elif self._calls.failed > failed:
            # An instance that does not answer may be gone: look at the next round, not in ten seconds.
            self._slow_ns = None
        yield from self._held
        yield Reading(gpus.GPU_INFO, (*labels, gpu.name, gpu.driver, SOURCE), 1)

    def _gauges(self) -> Iterator[Reading]:
        handle, labels, call = self._gpu.handle, self._labels, self._calls
        if (percent := call(nvml.UTILIZATION, handle)) is not None:
            yield Reading(gpus.GPU_UTILIZATION, labels, percent / _PERCENT)
        yield from memory_readings(call, handle, self._gpu.uuid)
        if (celsius := call(nvml.TEMPERATURE, handle)) is not None:
            yield Reading(gpus.GPU_TEMPERATURE, labels, celsius)
        if (megahertz := call(nvml.SM_CLOCK, handle, key=gpus.GPU_SM_CLOCK)) is not None:
            yield Reading(gpus.GPU_SM_CLOCK, labels, megahertz * _MEGA)

    def _counters(self, fields: Mapping[FieldId, FieldValue], now_ns: int) -> Iterator[Reading]:
        handle, labels, call = self._gpu.handle, self._labels, self._calls
        milliwatts = self._power(fields)
        if milliwatts is not None:
            yield Reading(gpus.GPU_POWER, labels, milliwatts / _MILLI)
            if call.lacks(nvml.FIELDS, key=nvml.ENERGY):
                self._energy.power(milliwatts, now_ns)
        if nvml.ENERGY in fields:
            self._energy.counter(int(fields[nvml.ENERGY].value))
        if (microjoules := self._energy.microjoules) is not None:
            yield Reading(gpus.GPU_ENERGY, labels, microjoules, own=True)
        reasons = call(nvml.REASONS, handle)
        if reasons is None and call.lacks(nvml.REASONS):
            reasons = call(nvml.REASONS_OLD, handle)
        self._throttle.advance(fields, reasons, now_ns)
        for reason, nanoseconds in self._throttle.totals.items():
            yield Reading(gpus.GPU_THROTTLE, (*labels, reason), nanoseconds, own=True)
        for entry, directions, scale in (
            (gpus.GPU_PCIE, _PCIE, 1),
            # What a link counts is either KiB or bytes: a chip has one of the two.
            (gpus.GPU_NVLINK, _NVLINK, _KIB),
            (gpus.GPU_NVLINK, _NVLINK5, 1),
        ):
            for field, direction in directions.items():
                if field in fields:
                    yield Reading(entry, (*labels, direction), self._counted(field, fields[field]) * scale, own=True)

    def _counted(self, field: FieldId, value: FieldValue) -> int:
        self._links[field].advance(int(value.value), bits=value.bits)
        return self._links[field].total

    def _power(self, fields: Mapping[FieldId, FieldValue]) -> int | None:
        """Power now, mW; of a chip before Ampere by a call of its own."""
        if nvml.POWER_NOW in fields:
            return int(fields[nvml.POWER_NOW].value)
        return self._calls(nvml.POWER, self._gpu.handle) if self._calls.lacks(nvml.FIELDS, key=nvml.POWER_NOW) else None

    def _slow(self) -> Iterator[Reading]:
        handle, labels, call = self._gpu.handle, self._labels, self._calls
        if (milliwatts := call(nvml.POWER_LIMIT, handle)) is not None:
            yield Reading(gpus.GPU_POWER_LIMIT, labels, milliwatts / _MILLI)
        if (megahertz := call(nvml.MEMORY_CLOCK, handle, key=gpus.GPU_MEMORY_CLOCK)) is not None:
            yield Reading(gpus.GPU_MEMORY_CLOCK, labels, megahertz * _MEGA)
        for kind, number in _ECC.items():
            if (errors := call(nvml.ECC_ERRORS, handle, number, key=kind)) is not None:
                self._ecc[kind].advance(errors)
                yield Reading(gpus.GPU_ECC_ERRORS, (*labels, kind), self._ecc[kind].total, own=True)
        for field, value in call.fields(handle, _LINK_ERRORS).items():
            error = _LINK_ERRORS[field]
            yield Reading(gpus.GPU_NVLINK_ERRORS, (*labels, error), self._counted(field, value), own=True)
        whole = self._mig.slices is None
        yield from self._processes.readings(handle, shares=whole)
        if whole and (clients := call(nvml.MPS_CLIENTS, handle)) is not None:
            yield Reading(gpus.GPU_MPS_CLIENTS, labels, clients)
