"""How devices were while requests executed on them: readings of the last minutes, by time."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from inferometer.catalog import gpus
from inferometer_exporters.columns.distinct import occurring
from inferometer_exporters.columns.tables import Columns, Ints
from inferometer_exporters.device_state import COUNTERS, GAUGES, Floats, Window, gauges, throttled, unread
from inferometer_exporters.source import Reading, Sample, SeriesKey

SIZE: Final = 300
"""Readings that are kept of each series of a device: 5 minutes at one a second."""
FORGET_NS: Final = 300 * 10**9
"""Devices that nobody read for so long are dropped."""


@dataclass(slots=True)
class _Track:
    """Readings of one series of one device, oldest first; the arrays are filled up to `count`."""

    at: Ints = field(default_factory=lambda: np.zeros(2 * SIZE, np.int64))
    value: Floats = field(default_factory=lambda: np.zeros(2 * SIZE))
    count: int = 0
    lost: float = 0.0
    """What a counter had counted before it began anew."""

    def add(self, at_ns: int, value: float, *, rises: bool) -> None:
        if self.count and at_ns <= self.newest:
            return
        if rises:
            if self.count and value + self.lost < self.value[self.count - 1]:
                self.lost = float(self.value[self.count - 1])
            value += self.lost
        if self.count == len(self.at):
            self.at[:SIZE], self.value[:SIZE] = self.at[SIZE:], self.value[SIZE:]
            self.count = SIZE
        self.at[self.count], self.value[self.count] = at_ns, value
        self.count += 1

    @property
    def newest(self) -> int:
        """When it was read last, ns."""
        return int(self.at[self.count - 1])

    def known(self, begin: int, end: int) -> tuple[Ints, Floats]:
        """The readings that speak for any moment of a time, and two before them: a counter's rate needs those."""
        first = max(0, self.count - SIZE)
        at = self.at[first : self.count]
        low = max(0, int(np.searchsorted(at, begin)) - 2)
        high = int(np.searchsorted(at, end)) + 1
        return at[low:high], self.value[first : self.count][low:high]


class DeviceHistory:
    """Readings of all devices; used by one thread."""

    def __init__(self) -> None:
        self._tracks: dict[str, dict[tuple[str, ...], _Track]] = {}
        self._parents: dict[str, str] = {}
        self._seen: dict[int, int] = {}
        self._forgotten_ns = 0

    def watch(self, samples: Sequence[Sample]) -> None:
        """Take in what sources read last, each once; of a series that several read, what the first of them says."""
        seen: set[SeriesKey] = set()
        for sample in samples:
            fresh = self._seen.get(sample.number) != sample.read_ns
            self._seen[sample.number] = sample.read_ns
            believed = [reading for reading in sample.readings if reading.key not in seen]
            seen.update(reading.key for reading in believed)
            if fresh:
                self._take(sample.read_ns, believed)

    def _take(self, at_ns: int, readings: Iterable[Reading]) -> None:
        if at_ns - self._forgotten_ns > FORGET_NS:
            self._forget(at_ns - FORGET_NS)
            self._forgotten_ns = at_ns
        for reading in readings:
            if reading.entry is gpus.GPU_MIG_INFO:
                instance, parent, *_ = reading.labels
                self._parents[instance] = parent
            if reading.entry.name in GAUGES or reading.entry.name in COUNTERS:
                device, *rest = reading.labels
                tracks = self._tracks.setdefault(device, {})
                track = tracks.setdefault((reading.entry.name, *rest), _Track())
                track.add(at_ns, float(reading.value), rises=reading.entry.kind == "counter")

    def _forget(self, before_ns: int) -> None:
        """Drop devices of which nothing was read since: MIG slices come and go."""
        for device, tracks in list(self._tracks.items()):
            if all(track.newest < before_ns for track in tracks.values()):
                del self._tracks[device]
        # Those that are still there are told again with the next reading.
        self._parents.clear()

    def _tracks_of(self, device: str) -> dict[tuple[str, ...], _Track]:
        """What is read of a device; a MIG instance has the clock, the temperature and the throttling of its GPU."""
        own = self._tracks.get(device, {})
        parent = self._tracks.get(self._parents.get(device, ""), {})
        shared = {key: track for key, track in parent.items() if key[0] != gpus.GPU_UTILIZATION.name}
        return shared | own

    def during(self, device: Ints, text: Callable[[int], str], begin: Ints, end: Ints) -> Columns:
        """The state of each run's device while it executed, as the recorder takes it.

        Args:
            device: number of its name.
            text: the name of a number.
            begin: of the run, CLOCK_MONOTONIC ns.
            end: of the run; 0 where there was none.
        """
        found = {name: column.copy() for name, column in unread(len(device)).items()}
        for number in occurring(device):
            tracks = self._tracks_of(text(number))
            mine = np.flatnonzero((device == number) & (end > 0))
            if tracks and len(mine):
                for name, values in _state(tracks, begin[mine], np.maximum(end[mine], begin[mine] + 1)).items():
                    found[name][mine] = values
        return found


def _state(tracks: dict[tuple[str, ...], _Track], begin: Ints, end: Ints) -> Columns:
    first, last = int(begin.min()), int(end.max())
    state: Columns = {}
    windows: dict[tuple[int, ...], Window] = {}
    for (name, *rest), track in tracks.items():
        at, value = track.known(first, last)
        # What one source says it says at the same times: they are looked up once.
        window = windows.setdefault((len(at), *at[[0, -1]].tolist()), Window(at))
        window.values[name, *rest] = value
    for window in windows.values():
        state |= gauges(window, begin, end)
        state |= throttled(window, begin, end)
    return state
