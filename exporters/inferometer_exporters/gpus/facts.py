"""What a page of a GPU exporter says, whichever it is: readings, and what has to be counted over many pages."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from inferometer.catalog import gpus
from inferometer.catalog.model import Series, Unit
from inferometer.errors import SourceError
from inferometer_exporters.gpus.tally import Tally
from inferometer_exporters.source import Reading

MAX_DEVICES: Final = 1024
"""GPUs and MIG instances on a page: 16 GPUs of 7 instances are 128."""
MAX_TEXT: Final = 200
"""Characters of a name on a page."""
# DCGM's marks for what it does not know (dcgm_structs.h, DCGM_INT32_BLANK and its like): the blank and 15 reasons
# after it, as whole numbers of 32 and 64 bits and as a double.
_BLANKS: Final = ((0x7FFFFFF0, 0x7FFFFFFF), (0x7FFFFFFFFFFFFFF0, math.inf), (2.0**47, 2.0**47 + 15))
_TOLERATED: Final = 1.05
"""Ratios up to here are 1: sampled activity overshoots."""

Labels = tuple[str, ...]


@dataclass(slots=True)
class Facts:
    """One page."""

    readings: list[Reading] = field(default_factory=list)
    """Which say all that there is to say."""
    totals: list[tuple[Series, Labels, int]] = field(default_factory=list)
    """Counters that begin anew without notice."""
    born: list[tuple[Series, Labels, int]] = field(default_factory=list)
    """Counters that are not shown until there is something to count."""
    rates: list[tuple[Series, Labels, float]] = field(default_factory=list)
    """Stored units per second."""
    last_xids: list[tuple[str, int]] = field(default_factory=list)
    """The newest XID of a device, 0 for none."""

    def put(self, entry: Series, labels: Labels, value: float) -> None:
        """Add a reading in stored units, rounded where it is a counter."""
        self.readings.append(Reading(entry, labels, round(value) if entry.kind == "counter" else value))

    def measure(self, entry: Series, labels: Labels, value: float, *, counted: bool = True) -> None:
        """Add a gauge; a ratio that is none is left out.

        Args:
            entry: of the gauge.
            labels: of it.
            value: in stored units.
            counted: whether the device has a counter of energy; where it has none, power is integrated.
        """
        if entry.unit is Unit.RATIO:
            if value > _TOLERATED:
                return
            value = min(value, 1.0)
        self.put(entry, labels, value)
        if entry is gpus.GPU_POWER and not counted:
            self.rates.append((gpus.GPU_ENERGY, labels, value * gpus.GPU_ENERGY.scale))

    def told(self, tally: Tally, now: float) -> Iterator[Reading]:
        """All readings of the page, read at *now* seconds, with the totals that *tally* keeps."""
        tally.begin(now)
        for entry, labels, total in self.totals:
            tally.follow(entry, labels, total)
        for entry, labels, total in self.born:
            tally.born(entry, labels, total)
        for entry, labels, rate in self.rates:
            tally.integrate(entry, labels, rate)
        for device, xid in self.last_xids:
            tally.last_xid(device, xid)
        yield from self.readings
        yield from tally.readings()


def known(value: float) -> float | None:
    """A value of a page; None where it is a mark for what the exporter does not know."""
    if not math.isfinite(value) or value < 0 or any(low <= value <= high for low, high in _BLANKS):
        return None
    return value


def bounded(names: Iterable[str]) -> None:
    """Check how many devices a page names.

    Raises:
        SourceError: more than any host has.
    """
    if len(set(names)) > MAX_DEVICES:
        raise SourceError(f"the page names more than {MAX_DEVICES} GPUs")
