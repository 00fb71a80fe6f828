"""The virtual-time sweep: how concurrent runs share a device's time, in whole nanoseconds that sum exactly.

Each run owns its weight's part of the weight that is active. The clock of one unit of weight is kept in fractions of
a ns; what integer division loses goes to the longest run, so that the shares sum to the busy time to the nanosecond.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inferometer_exporters.columns.tables import Ints

_SHIFT: Final = 28
MAX_WINDOW_NS: Final = 1 << 34
"""17 s: the longest window whose clock fits 63 bits. Longer ones are swept in pieces."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a window of a device's time was made of."""

    shares: Ints
    """ns of each run; they sum to ``busy``."""
    busy: int
    """ns in which at least one run was active."""


def sweep(begin: Ints, end: Ints, weight: Ints) -> Sweep:
    """Share the time of runs that lie inside one window of at most `MAX_WINDOW_NS`; weights are >= 1."""
    count = len(begin)
    if not count:
        return Sweep(np.zeros(0, np.int64), 0)
    times = np.concatenate([begin, end])
    # Starts come first where times are equal, so that the active weight never falls below 0.
    order = np.argsort(times, kind="stable")
    active = np.cumsum(np.concatenate([weight, -weight])[order])[:-1]
    step = np.diff(times[order])
    worked = active > 0
    busy = int(step[worked].sum())
    clock = np.zeros(2 * count, np.int64)
    np.cumsum((step << _SHIFT) // np.maximum(active, 1) * worked, out=clock[1:])
    at = np.empty(2 * count, np.int64)
    at[order] = clock
    fine = (at[count:] - at[:count]) * weight
    total = np.cumsum(fine)
    longest = int(np.argmax(fine))
    total[longest:] += (busy << _SHIFT) - int(total[-1])
    return Sweep(np.diff(total >> _SHIFT, prepend=0), busy)


def covered(begin: Ints, end: Ints) -> int:
    """Ns that at least one of the intervals covers."""
    if not len(begin):
        return 0
    order = np.argsort(begin, kind="stable")
    begin, end = begin[order], np.maximum.accumulate(end[order])
    reached = np.concatenate((begin[:1], end[:-1]))
    return int(np.maximum(end - np.maximum(begin, reached), 0).sum())
