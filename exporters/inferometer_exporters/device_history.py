"""How devices were while requests executed on them: readings of the last minutes, by time.

A gauge's reading speaks for the time up to it, since the one before; a counter rises evenly from one reading to the
next. The newest reading holds until another comes. Nothing speaks for more than `REACH_NS`: where a source said
nothing for longer, the state in between is unknown.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inferometer.catalog import devices
from inferometer.catalog.labels import THROTTLE_REASON
from inferometer.catalog.model import Series
from inferometer_exporters.columns.tables import Columns, Ints
from inferometer_exporters.source import Reading

SIZE: Final = 300
"""Readings that are kept of each series of a device: 5 minutes at one a second."""
REACH_NS: Final = 2_500_000_000
"""How long a reading speaks for: two periods of a second, and half of one that came late."""
_UTILIZATION: Final = (devices.GPU_UTILIZATION, devices.HOST_CPU_UTILIZATION)
_REASONS: Final = {reason: 1 << bit for bit, reason in enumerate(THROTTLE_REASON.values)}
_WATCHED: Final = frozenset(
    entry.name
    for entry in (
        *_UTILIZATION,
        devices.GPU_SM_CLOCK,
        devices.GPU_TEMPERATURE,
        devices.GPU_THROTTLE,
        devices.HOST_CPU_THROTTLED,
    )
)

Floats = NDArray[np.float64]


def unread(count: int) -> Columns:
    """The state of *count* devices that nobody read, as the recorder takes it."""
    nothing = np.full(count, -1, np.int64)
    unknown = np.full(count, np.nan)
    return {
        "utilization": unknown,
        "sm_clock": nothing,
        "throttle": nothing,
        "throttled_ns": nothing,
        "temperature": unknown,
    }


def reasons(mask: int) -> tuple[str, ...]:
    """The throttle reasons of a mask, as the recorder stores it."""
    return tuple(reason for reason, bit in _REASONS.items() if mask & bit)


@dataclass(slots=True)
class _Track:
    """Readings of one series of one device, oldest first; the arrays are filled up to `count`."""

    at: Ints = field(default_factory=lambda: np.zeros(2 * SIZE, np.int64))
    value: Floats = field(default_factory=lambda: np.zeros(2 * SIZE))
    count: int = 0
    lost: float = 0.0
    """What a counter had counted before it began anew."""

    def add(self, at_ns: int, value: float, *, rises: bool) -> None:
        if self.count and at_ns <= self.at[self.count - 1]:
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

    def known(self) -> tuple[Ints, Floats]:
        first = max(0, self.count - SIZE)
        return self.at[first : self.count], self.value[first : self.count]


@dataclass(frozen=True, slots=True)
class _Spans:
    """When runs executed, ns since the first reading that counts."""

    begin: Ints
    end: Ints

    def covered(self, at: Ints, width: Ints) -> Floats:
        """Ns of each run for which readings at *at* speak, each for the *width* before it."""
        return self.integral(at, width, np.ones(len(at)))

    def integral(self, at: Ints, width: Ints, value: Floats) -> Floats:
        """The sum over each run's ns of the value that spoke for it."""
        edges = np.column_stack((at - width, at)).ravel()
        sums = np.cumsum(np.column_stack((np.zeros(len(at)), value * width)).ravel())
        return np.interp(self.end, edges, sums) - np.interp(self.begin, edges, sums)


class DeviceHistory:
    """Readings of all devices; used by one thread."""

    def __init__(self) -> None:
        self._tracks: dict[str, dict[tuple[str, ...], _Track]] = {}

    def take(self, at_ns: int, readings: Iterable[Reading]) -> None:
        """Take in what a source said at a time (CLOCK_MONOTONIC, ns); the same again changes nothing."""
        for reading in readings:
            if reading.entry.name in _WATCHED:
                device, *rest = reading.labels
                tracks = self._tracks.setdefault(device, {})
                track = tracks.setdefault((reading.entry.name, *rest), _Track())
                track.add(at_ns, float(reading.value), rises=reading.entry.kind == "counter")

    def forget(self, before_ns: int) -> None:
        """Drop devices of which nothing was read since; a host whose GPUs are partitioned anew has new ones."""
        gone = [
            device
            for device, tracks in self._tracks.items()
            if all(track.at[track.count - 1] < before_ns for track in tracks.values())
        ]
        for device in gone:
            del self._tracks[device]

    def during(self, device: Ints, text: Callable[[int], str], begin: Ints, end: Ints) -> Columns:
        """The state of each run's device while it executed, as the recorder takes it.

        Args:
            device: number of its name.
            text: the name of a number.
            begin: of the run, CLOCK_MONOTONIC ns.
            end: of the run.
        """
        found = unread(len(device))
        for number in np.unique(device).tolist():
            tracks = self._tracks.get(text(number)) if number else None
            if tracks:
                mine = np.flatnonzero(device == number)
                for name, values in _state(tracks, begin[mine], np.maximum(end[mine], begin[mine] + 1)).items():
                    found[name] = found[name].copy()
                    found[name][mine] = values
        return found


def _state(tracks: dict[tuple[str, ...], _Track], begin: Ints, end: Ints) -> Columns:
    state: Columns = {}
    for entry in _UTILIZATION:
        if (track := tracks.get((entry.name,))) is not None:
            state["utilization"] = _mean(track, entry, begin, end)
    if (track := tracks.get((devices.GPU_SM_CLOCK.name,))) is not None:
        clock = _mean(track, devices.GPU_SM_CLOCK, begin, end)
        state["sm_clock"] = np.where(np.isnan(clock), -1, np.rint(np.nan_to_num(clock))).astype(np.int64)
    if (track := tracks.get((devices.GPU_TEMPERATURE.name,))) is not None:
        state["temperature"] = _highest(track, begin, end)
    return state | _throttled(tracks, begin, end)


def _widths(at: Ints) -> tuple[Ints, Ints]:
    """Ends and widths of what readings speak for; one more stands for the newest one's future."""
    ends = np.append(at, at[-1] + REACH_NS)
    return ends, np.minimum(np.diff(ends, prepend=at[0] - REACH_NS), REACH_NS)


def _mean(track: _Track, entry: Series, begin: Ints, end: Ints) -> Floats:
    at, value = track.known()
    ends, widths = _widths(at)
    spans = _Spans(begin - at[0], end - at[0])
    ends = ends - at[0]
    # Integrals of what differs from the newest value: exact where nothing changed, however large the figure is.
    newest = value[-1]
    differing = spans.integral(ends, widths, np.append(value, newest) - newest)
    covered = spans.covered(ends, widths)
    known = covered > 0
    mean = np.full(len(begin), np.nan)
    mean[known] = (newest + differing[known] / covered[known]) / entry.scale
    return mean


def _highest(track: _Track, begin: Ints, end: Ints) -> Floats:
    at, value = track.known()
    ends, widths = _widths(at)
    value = np.append(value, value[-1])
    first = np.searchsorted(ends, begin, "right")
    last = np.searchsorted(ends, end, "left")
    count = len(ends)
    # The reading behind the end speaks for it only as far as it reaches back.
    reaches = (last < count) & (end > (ends - widths)[np.minimum(last, count - 1)])
    last = np.where(reaches, last + 1, last)
    highest = np.full(len(begin), np.nan)
    known = np.flatnonzero(first < last)
    if len(known):
        pairs = np.column_stack((first[known], last[known])).ravel()
        highest[known] = np.maximum.reduceat(np.append(value, -np.inf), pairs)[::2]
    return highest


def _throttled(tracks: dict[tuple[str, ...], _Track], begin: Ints, end: Ints) -> Columns:
    state: Columns = {}
    for (name, *rest), track in tracks.items():
        if name not in {devices.GPU_THROTTLE.name, devices.HOST_CPU_THROTTLED.name}:
            continue
        held, known = _gain(track, begin, end)
        held = np.minimum(held, end - begin)
        longest = state.get("throttled_ns", np.full(len(begin), -1, np.int64))
        state["throttled_ns"] = np.where(known, np.maximum(held, longest), longest)
        if rest:
            mask = state.get("throttle", np.full(len(begin), -1, np.int64))
            bit = _REASONS.get(rest[0], 0)
            state["throttle"] = np.where(known, np.maximum(mask, 0) | np.where(held > 0, bit, 0), mask)
    return state


def _gain(track: _Track, begin: Ints, end: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """How far a counter rose in each run, in its stored unit, and whether that is known."""
    at, value = track.known()
    if len(at) < 2:  # noqa: PLR2004 - one reading has risen from nothing
        return np.zeros(len(begin), np.int64), np.zeros(len(begin), bool)
    ends, widths = _widths(at)
    rose = np.diff(value)
    rate = rose / np.diff(at)
    rates = np.concatenate(([0.0], rate, rate[-1:]))
    # What it rose in a long silence is known, when it did is not.
    widths[np.diff(ends, prepend=at[0]) > REACH_NS] = 0
    widths[0] = 0
    spans = _Spans(begin - at[0], end - at[0])
    gain = spans.integral(ends - at[0], widths, rates)
    return np.rint(gain).astype(np.int64), spans.covered(ends - at[0], widths) > 0
