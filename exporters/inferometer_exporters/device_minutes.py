"""What devices were like minute by minute, for longer than requests are kept: what right-sizing is judged by.

A minute's row holds what was read in it (means and peaks), how the ledger spent it and how many requests ended in it.
A restart loses the minute that it falls into, nothing else: rows are differences, not totals.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from inferometer.catalog import gpus, hosts
from inferometer_exporters.columns.distinct import distinct
from inferometer_exporters.columns.tables import Columns, Ints
from inferometer_exporters.ledger.account import Account, State
from inferometer_exporters.source import Reading, Sample, SeriesKey

MINUTE_NS: Final = 60 * 10**9
PEAKS_NS: Final = 10 * MINUTE_NS
"""Peaks of processes' memory are kept for every ten minutes."""
MOST_DEVICES: Final = 256
"""Of which readings are kept in a minute; MIG slices that come and go have an end, too."""
MOST_PROCESSES: Final = 1_024
_MEANS: Final = {
    gpus.GPU_UTILIZATION.name: "utilization",
    hosts.HOST_CPU_UTILIZATION.name: "utilization",
    gpus.GPU_SM_ACTIVE.name: "sm_active",
    gpus.GPU_TENSOR_ACTIVE.name: "tensor_active",
    gpus.GPU_DRAM_ACTIVE.name: "dram_active",
    gpus.GPU_POWER.name: "power",
}
_PEAKS: Final = {
    gpus.GPU_MEMORY_USED.name: "memory_used",
    hosts.HOST_MEMORY_USED.name: "memory_used",
    gpus.GPU_MEMORY_TOTAL.name: "memory_total",
    hosts.HOST_MEMORY_TOTAL.name: "memory_total",
    gpus.GPU_TEMPERATURE.name: "temperature",
}
_HELD: Final = frozenset({gpus.GPU_THROTTLE.name, hosts.HOST_CPU_THROTTLED.name})
_WATCHED: Final = _MEANS.keys() | _PEAKS.keys() | _HELD
_USED: Final = (State.ATTRIBUTED, State.SYSTEM)


@dataclass(slots=True)
class _Minute:
    """One device in one minute."""

    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)
    throttled: int | None = None
    requests: int = 0


class DeviceMinutes:
    """Gathers the rows of `device_minutes` and `process_peaks`; used by one thread.

    Args:
        number: of a name, by the recorder.
    """

    def __init__(self, number: Callable[[str], int]) -> None:
        self._number = number
        self._minutes: dict[str, _Minute] = {}
        self._held: dict[tuple[str, ...], float] = {}
        self._seen: dict[int, int] = {}
        self._entered: dict[str, tuple[int, int]] = {}
        self._processes: dict[tuple[str, int], int] = {}
        self._minute: int | None = None
        self._peaks_ns = 0

    def watch(self, samples: Sequence[Sample]) -> None:
        """Take in what sources read last, each once."""
        fresh = {sample.number for sample in samples if self._seen.get(sample.number) != sample.read_ns}
        self._seen = {sample.number: sample.read_ns for sample in samples}
        seen: set[SeriesKey] = set()
        for sample in samples:
            # Of a series that several read the first is believed, also where it has nothing new.
            mine = [reading for reading in sample.readings if reading.key not in seen]
            seen.update(reading.key for reading in mine)
            if sample.number in fresh:
                for reading in mine:
                    self._reading(reading)

    def _reading(self, reading: Reading) -> None:
        name = reading.entry.name
        if name == gpus.GPU_PROCESS_MEMORY.name:
            self._process(*reading.labels, used=int(reading.value))
        elif name in _WATCHED and (minute := self._of(reading.labels[0])) is not None:
            self._take(minute, name, reading.labels, reading.value / reading.entry.scale)

    def _of(self, device: str) -> _Minute | None:
        found = self._minutes.get(device)
        if found is None and len(self._minutes) < MOST_DEVICES:
            found = self._minutes[device] = _Minute()
        return found

    def _take(self, minute: _Minute, name: str, labels: tuple[str, ...], value: float) -> None:
        if (column := _MEANS.get(name)) is not None:
            minute.sums[column] = minute.sums.get(column, 0.0) + value
            minute.counts[column] = minute.counts.get(column, 0) + 1
            minute.peaks[column] = max(minute.peaks.get(column, value), value)
        elif (column := _PEAKS.get(name)) is not None:
            minute.peaks[column] = max(minute.peaks.get(column, value), value)
        elif name in _HELD:
            before = self._held.get((name, *labels))
            self._held[name, *labels] = value
            if before is not None:
                gain = value - before if value >= before else value
                minute.throttled = (minute.throttled or 0) + round(gain * 1e9)

    def _process(self, device: str, pid: str, *, used: int) -> None:
        if not pid.isdecimal():
            return
        key = (device, int(pid))
        if key in self._processes or len(self._processes) < MOST_PROCESSES:
            self._processes[key] = max(self._processes.get(key, 0), used)

    def ended(self, device: Ints, text: Callable[[int], str]) -> None:
        """Requests have ended that ran on these devices, by the recorder's numbers of their names; 0 is no device."""
        found = distinct(device)
        for number, count in zip(found.values.tolist(), found.numbers.tolist(), strict=True):
            if number and (minute := self._of(text(number))) is not None:
                minute.requests += count

    def rows(self, accounts: Sequence[Account], wall_ns: int, *, closing: bool = False) -> dict[str, Columns]:
        """Rows by table, once a minute is over or when the sidecar ends.

        Args:
            accounts: of the ledger, as they are now.
            wall_ns: time since the epoch.
            closing: the minute does not come to its end.
        """
        minute = wall_ns // MINUTE_NS
        before = self._minute
        if before is None:
            self._minute = minute
            self._entered = _totals(accounts)
            self._peaks_ns = wall_ns
            return {}
        if minute == before and not closing:
            return {}
        self._minute = minute
        found = {"device_minutes": self._device_rows(accounts, before * MINUTE_NS)}
        if self._processes and (closing or abs(wall_ns - self._peaks_ns) >= PEAKS_NS):
            found["process_peaks"] = self._process_rows(wall_ns)
            self._processes, self._peaks_ns = {}, wall_ns
        return found

    def _device_rows(self, accounts: Sequence[Account], wall_ns: int) -> Columns:
        totals, before = _totals(accounts), self._entered
        minutes, self._minutes, self._entered = self._minutes, {}, totals
        names = sorted(totals.keys() | minutes.keys())
        rows = [minutes.get(name, _Minute()) for name in names]
        spent = [_gain(totals.get(name), before.get(name, (0, 0))) for name in names]
        columns: Columns = {
            "wall_ns": np.full(len(names), wall_ns),
            "device": np.array([self._number(name) for name in names], np.int64),
            "span_ns": np.array([span for span, _ in spent], np.int64),
            "used_ns": np.array([used for _, used in spent], np.int64),
            "requests": np.array([row.requests for row in rows], np.int64),
            "throttled_ns": np.array([-1 if row.throttled is None else row.throttled for row in rows], np.int64),
        }
        for column in ("memory_used", "memory_total"):
            columns[column] = np.array([int(row.peaks.get(column, -1)) for row in rows], np.int64)
        for column in dict.fromkeys(_MEANS.values()):
            columns[column] = np.array([row.sums[column] / row.counts[column] if column in row.sums else np.nan
                                        for row in rows])  # fmt: skip
        columns["utilization_peak"] = np.array([row.peaks.get("utilization", np.nan) for row in rows])
        columns["temperature"] = np.array([row.peaks.get("temperature", np.nan) for row in rows])
        return columns

    def _process_rows(self, wall_ns: int) -> Columns:
        return {
            "wall_ns": np.full(len(self._processes), wall_ns),
            "device": np.array([self._number(device) for device, _ in self._processes], np.int64),
            "pid": np.array([pid for _, pid in self._processes], np.int64),
            "memory_used": np.array(list(self._processes.values()), np.int64),
        }


def _totals(accounts: Sequence[Account]) -> dict[str, tuple[int, int]]:
    """Wall time and used time of each account so far, ns."""
    return {account.device.name: (account.wall, sum(account.states[state] for state in _USED)) for account in accounts}


def _gain(now: tuple[int, int] | None, before: tuple[int, int]) -> tuple[int, int]:
    if now is None or now[0] < before[0]:
        return 0, 0
    return now[0] - before[0], now[1] - before[1]
