"""What readings say of the times at which runs executed: means, the highest, and what counters rose.

A gauge's reading speaks for the time up to it, since the one before; a counter rises evenly from one reading to the
next. The newest reading holds until another comes. Nothing speaks for more than `REACH_NS`: where a source said
nothing for longer, the state in between is unknown.
"""

from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from inferometer.catalog import gpus, hosts
from inferometer.catalog.labels import THROTTLE_REASON
from inferometer_exporters.columns.tables import Columns, Ints

REACH_NS: Final = 2_500_000_000
"""How long a reading speaks for: two periods of a second, and half of one that came late."""
_REASONS: Final = {reason: 1 << bit for bit, reason in enumerate(THROTTLE_REASON.values)}
GAUGES: Final = frozenset(
    entry.name
    for entry in (
        gpus.GPU_UTILIZATION,
        hosts.HOST_CPU_UTILIZATION,
        gpus.GPU_SM_CLOCK,
        gpus.GPU_TEMPERATURE,
    )
)
COUNTERS: Final = frozenset((gpus.GPU_THROTTLE.name, hosts.HOST_CPU_THROTTLED.name))

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
class Window:
    """Readings of one source around some runs."""

    at: Ints
    values: dict[tuple[str, ...], Floats] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Sums:
    """Integrals over runs of values that each hold for the *width* before their time."""

    width: Ints
    reading: Ints
    """First reading at or after each run's begin, and after those each run's end."""
    part: Ints
    """Ns of that reading's width before that moment."""

    @classmethod
    def of(cls, at: Ints, width: Ints, begin: Ints, end: Ints) -> Self:
        moment = np.concatenate((begin, end))
        reading = np.searchsorted(at, moment)
        held = np.minimum(reading, len(at) - 1)
        part = np.clip(moment - (at - width)[held], 0, width[held])
        return cls(width, held, np.where(reading == len(at), width[-1], part))

    def __call__(self, value: Floats) -> Floats:
        before = np.concatenate(([0.0], np.cumsum(value * self.width)))
        until = before[self.reading] + value[self.reading] * self.part
        half = len(until) // 2
        found: Floats = until[half:] - until[:half]
        return found


def gauges(window: Window, begin: Ints, end: Ints) -> Columns:
    """Mean utilization and clock and highest temperature of each run, as far as they are in *window*."""
    wanted = {name: value for (name, *_), value in window.values.items() if name in GAUGES}
    if not wanted:
        return {}
    # One more stands for the newest reading's future.
    at = np.append(window.at, window.at[-1] + REACH_NS)
    width = np.minimum(np.diff(at, prepend=at[0] - REACH_NS), REACH_NS)
    sums = _Sums.of(at, width, begin, end)
    covered = sums(np.ones(len(at)))
    known = covered > 0
    covered = np.where(known, covered, 1)
    state: Columns = {}
    for name, value in wanted.items():
        newest = value[-1]
        if name == gpus.GPU_TEMPERATURE.name:
            state["temperature"] = np.where(known, _highest(np.append(value, newest), at, width, begin, end), np.nan)
            continue
        # Integrals of what differs from the newest value: exact where nothing changed, however large the figure is.
        mean = newest + sums(np.append(value, newest) - newest) / covered
        if name == gpus.GPU_SM_CLOCK.name:
            state["sm_clock"] = np.where(known, np.rint(mean), -1).astype(np.int64)
        else:
            state["utilization"] = np.where(known, mean, np.nan)
    return state


def _highest(value: Floats, at: Ints, width: Ints, begin: Ints, end: Ints) -> Floats:
    """The highest reading that speaks for a moment of each run; where none does, whatever."""
    first = np.searchsorted(at, begin, "right")
    last = np.minimum(np.searchsorted(at, end), len(at) - 1)
    # The reading behind the end speaks for it only as far as it reaches back.
    last = np.where(end > (at - width)[last], last + 1, last)
    first = np.minimum(first, len(at) - 1)
    pairs = np.column_stack((first, np.maximum(last, first + 1))).ravel()
    highest: Floats = np.maximum.reduceat(np.append(value, -np.inf), pairs)[::2]
    return highest


def throttled(window: Window, begin: Ints, end: Ints) -> Columns:
    """Why and for how long the device was held down in each run, as far as it is in *window*."""
    wanted = {key: value for key, value in window.values.items() if key[0] in COUNTERS}
    if not wanted or len(window.at) < 2:  # noqa: PLR2004 - one reading has risen from nothing
        return {}
    # The newest rate holds on. What a counter rose in a long silence is known, when it did is not.
    at = np.append(window.at, window.at[-1] + REACH_NS)
    width = np.diff(at, prepend=at[0])
    width[width > REACH_NS] = 0
    sums = _Sums.of(at, width, begin, end)
    known = sums(np.ones(len(at))) > 0
    longest = np.zeros(len(begin), np.int64)
    mask = np.zeros(len(begin), np.int64)
    for (_, *rest), value in wanted.items():
        rate = np.diff(value) / np.diff(window.at)
        held = np.rint(sums(np.concatenate(([0.0], rate, rate[-1:])))).astype(np.int64)
        longest = np.maximum(longest, np.minimum(held, end - begin))
        mask |= np.where(held > 0, _REASONS.get(rest[0], 0) if rest else 0, 0)
    state: Columns = {"throttled_ns": np.where(known, longest, -1)}
    if any(len(key) > 1 for key in wanted):
        state["throttle"] = np.where(known, mask, -1)
    return state
