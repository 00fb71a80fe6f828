"""The rules as Prometheus evaluates them, on whole histories at once.

A window up to an hour is an ``increase()`` of counters that are scraped every 15 s: from its first sample to its last,
extrapolated over the step before the first one, but not below the counter's zero (Prometheus, promql/functions.go,
extrapolatedRate). A longer window of ours is the sum of five-minute tiles, renewed every two minutes
(`inferometer_alerts.slo_rules`); those of others are increases of any length. tests/peers/test_backtest.py holds what
comes out equal to what promtool says of the generated rules.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inferometer.fleet import durations
from inferometer_alerts.slo_rules import LATER, NOW, TILE
from inferometer_alerts.time_scale import SCRAPE_NS
from inferometer_compose.backtest.conditions import Condition
from inferometer_compose.backtest.counts import MINUTE, Counts, Flags, Floats, Ints

_SECOND: Final = 10**9
SAME_PAGE: Final = 300
"""Seconds: what fires again so soon is the same page, for Alertmanager has not said yet that it is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """How often things happen, in seconds; the generated ones unless a test needs others."""

    scrape: int = SCRAPE_NS // _SECOND
    evaluation: int = durations.parse(NOW) // _SECOND
    later: int = durations.parse(LATER) // _SECOND
    """Between two rounds of the rules on tiles."""
    tile: int = durations.parse(TILE) // _SECOND


CLOCK: Final = Clock()


class History:
    """Counters of an SLO, and what windows over them say at every evaluation.

    Args:
        events: counter of events at every scrape, the first at time 0; a row for each history, or one for all.
        bad: counter of bad events; a row for each history.
        clock: when what happens.
        born: the counters begin with the history. Otherwise they had been counting for long.
    """

    def __init__(self, events: Floats, bad: Floats, clock: Clock = CLOCK, *, born: bool = False) -> None:
        self.clock = clock
        self._counters = (np.atleast_2d(events), np.atleast_2d(bad))
        self._born = born
        step = clock.evaluation // clock.scrape
        self._at = np.arange(step, self._counters[1].shape[1], step)
        self._tiles: tuple[Floats, Floats] | None = None
        self._sums: dict[tuple[int, bool], tuple[Floats, Floats]] = {}

    @classmethod
    def of(cls, counts: Counts, clock: Clock = CLOCK, *, born: bool = False) -> "History":
        """Counters that rise evenly in each minute."""
        events, bad = (counters(values, MINUTE, clock) for values in (counts.events, counts.bad))
        return cls(events, bad, clock, born=born)

    @property
    def rows(self) -> int:
        """Histories side by side."""
        return int(self._counters[1].shape[0])

    @property
    def times(self) -> Floats:
        """Seconds from the beginning to each evaluation."""
        return np.asarray(self._at * float(self.clock.scrape))

    def sums(self, window: int, *, tiled: bool) -> tuple[Floats, Floats]:
        """Events and bad events in a window of so many seconds, at every evaluation."""
        key = (window, tiled)
        if key not in self._sums:
            made = self._tiled(window) if tiled else tuple(self._increase(c, window, self._at) for c in self._counters)
            self._sums[key] = (made[0], made[1])
        return self._sums[key]

    def _increase(self, counter: Floats, window: int, at: Ints) -> Floats:
        scrape = self.clock.scrape
        first = np.maximum(at - window // scrape + 1, 0)
        before = np.take(counter, first, axis=1)
        gain = np.take(counter, at, axis=1) - before
        sampled = (at - first) * float(scrape)
        # Where the history begins inside the window its beginning is too far off: half a step, not a whole one.
        ahead = np.where(at - window // scrape + 1 >= 0, float(scrape), scrape / 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            if self._born:
                to_zero = np.where(gain > 0, sampled * before / gain, np.inf)
                ahead = np.minimum(ahead, to_zero)
            found = gain * (sampled + ahead) / sampled
        # One sample alone has no increase.
        return np.where(sampled > 0, found, 0.0)

    def _tiled(self, window: int) -> tuple[Floats, Floats]:
        clock = self.clock
        if self._tiles is None:
            step = clock.tile // clock.scrape
            ends = np.arange(step, self._counters[1].shape[1], step)
            tiles = (self._increase(counter, clock.tile, ends) for counter in self._counters)
            summed = [np.pad(np.cumsum(tile, axis=1), ((0, 0), (1, 0))) for tile in tiles]
            self._tiles = (summed[0], summed[1])
        seconds = self._at * clock.scrape
        looked = seconds // clock.later * clock.later
        last = np.minimum(looked // clock.tile, self._tiles[0].shape[1] - 1)
        first = np.clip((looked - window) // clock.tile, 0, last)
        events, bad = (np.take(sums, last, axis=1) - np.take(sums, first, axis=1) for sums in self._tiles)
        return events, bad

    def holds(self, condition: Condition) -> Flags:
        """At which evaluations a condition fires, one row for each history."""
        events, bad = self.sums(condition.long, tiled=condition.is_tiled(condition.long))
        found = (bad > condition.limit * events) & (bad >= condition.least_bad)
        if found.any():
            events, bad = self.sums(condition.short, tiled=condition.is_tiled(condition.short))
            found &= bad > condition.limit * events
        return _held(found, condition.held // self.clock.evaluation)


def counters(values: Floats, step: int, clock: Clock = CLOCK) -> Floats:
    """A counter at every scrape, from counts of so many seconds each; it rises evenly in each of them."""
    parts = step // clock.scrape
    rises = np.repeat(np.asarray(values, np.float64) / parts, parts, axis=-1)
    return np.concatenate([np.zeros((*rises.shape[:-1], 1)), np.cumsum(rises, axis=-1)], axis=-1)


def _held(holds: Flags, rounds: int) -> Flags:
    """Where a condition held at so many evaluations before, too (``for:``)."""
    if not rounds:
        return holds
    run = np.cumsum(np.pad(holds, ((0, 0), (1, 0))), axis=1, dtype=np.int64)
    held = np.zeros_like(holds)
    held[:, rounds:] = run[:, rounds + 1 :] - run[:, : -rounds - 1] == rounds + 1
    return held


def episodes(firing: Flags, clock: Clock = CLOCK) -> list[tuple[int, int]]:
    """First and last evaluation of each page in one history."""
    at = np.flatnonzero(firing)
    if not len(at):
        return []
    breaks = np.flatnonzero(np.diff(at) > SAME_PAGE // clock.evaluation)
    firsts, lasts = [0, *(breaks + 1)], [*breaks, len(at) - 1]
    return [(int(at[first]), int(at[last])) for first, last in zip(firsts, lasts, strict=True)]
