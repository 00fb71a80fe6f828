"""What a backtest reads: how many requests counted for an SLO in each minute, and how many of them were bad."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

MINUTE: Final = 60
"""Seconds in a minute: the step of every history."""
DAY: Final = 86_400
LEAST_DAYS: Final = 7
"""Below a week nobody has seen a weekend: nothing is said of a month then, and nothing advised."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Minutes in a row; counts are floats, because an increase that was read from Prometheus need not be whole."""

    begin: int
    """The first minute, seconds since the epoch; a whole number of minutes."""
    events: Floats
    bad: Floats
    known: Flags
    """Whether anybody watched in that minute; where nobody did, nothing is counted."""
    resolution: int = MINUTE
    """Seconds over which the source counted; what it counted is spread evenly over them."""

    def __post_init__(self) -> None:
        if not len(self.events) == len(self.bad) == len(self.known):
            raise ValueError(
                f"{len(self.events)} minutes of events, {len(self.bad)} of bad ones, {len(self.known)} marks"
            )

    @property
    def minutes(self) -> int:
        """How many there are."""
        return len(self.events)

    @property
    def seconds(self) -> int:
        """Their length."""
        return self.minutes * MINUTE

    @property
    def end(self) -> int:
        """The moment behind the last one, seconds since the epoch."""
        return self.begin + self.seconds

    @property
    def total(self) -> float:
        """Events in all."""
        return float(self.events.sum())

    @property
    def total_bad(self) -> float:
        """Bad ones in all."""
        return float(self.bad.sum())

    @property
    def watched(self) -> float:
        """Share of the minutes in which anybody watched."""
        return float(self.known.mean()) if self.minutes else 0.0

    @property
    def per_hour(self) -> float:
        """Events per hour, over the minutes in which anybody watched; 0 without any."""
        watched = int(self.known.sum())
        return self.total / watched * MINUTE if watched else 0.0

    @property
    def tell_a_month(self) -> bool:
        """Whether there are enough of them to say how a month would be."""
        return self.seconds >= LEAST_DAYS * DAY

    def part(self, first: int, last: int) -> "Counts":
        """The minutes from number *first* to before *last*, as far as there are any."""
        first, last = max(first, 0), min(last, self.minutes)
        return replace(
            self,
            begin=self.begin + first * MINUTE,
            events=self.events[first:last],
            bad=self.bad[first:last],
            known=self.known[first:last],
        )


def summed(minutes: Floats, events: Floats, bad: Floats, *, begin: int, end: int, resolution: int = MINUTE) -> Counts:
    """Counts from rows in any order; rows of the same minute are added, minutes without a row had no events.

    Args:
        minutes: of each row, minutes since the epoch.
        events: of each row.
        bad: of each row.
        begin: from when on the source knows, seconds since the epoch.
        end: until when.
        resolution: seconds that a row covers; it stands at the first minute of them.

    Raises:
        ValueError: the time from *begin* to *end* has no minute.
    """
    first, last = begin // MINUTE, -(-end // MINUTE)
    if last <= first:
        raise ValueError(f"no minute lies between {begin} and {end}")
    index = np.asarray(minutes, np.int64) - first
    inside = (index >= 0) & (index < last - first)

    def laid_out(values: Floats) -> Floats:
        sums: Floats = np.zeros(last - first)
        np.add.at(sums, index[inside], values[inside])
        return sums if resolution == MINUTE else _spread(sums, resolution // MINUTE)

    return Counts(
        begin=first * MINUTE,
        events=laid_out(events),
        bad=laid_out(bad),
        known=np.ones(last - first, np.bool_),
        resolution=resolution,
    )


def _spread(sums: Floats, over: int) -> Floats:
    """What stands at the first minute of *over* minutes, evenly over all of them."""
    together = np.concatenate([sums, np.zeros(over - 1)])
    spread = np.convolve(together, np.full(over, 1 / over))[: len(sums)]
    return np.asarray(spread, np.float64)
