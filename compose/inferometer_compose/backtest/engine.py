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
            if tiled:
                self._sums[key] = self._tiled(window)
            else:
                events, bad = (self._increase(one, window, self.clock.evaluation) for one in self._counters)
                self._sums[key] = events, bad
        return self._sums[key]

    def _increase(self, counter: Floats, window: int, step: int) -> Floats:
        """Of a window that ends at every *step* seconds."""
        scrape = self.clock.scrape
        at = np.arange(step // scrape, counter.shape[1], step // scrape)
        first = at - window // scrape + 1
        # Windows that reach beyond the beginning of the history have its beginning for their first sample.
        short = int(np.searchsorted(first, 0))
        gain = counter[:, at[0] :: step // scrape].copy() if len(at) else np.zeros((len(counter), 0))
        gain[:, :short] -= counter[:, :1]
        if short < len(at):
            gain[:, short:] -= counter[:, first[short] : first[-1] + 1 : step // scrape]
        sampled = (at - np.maximum(first, 0)) * float(scrape)
        # That beginning is too far off: half a step, not a whole one.
        ahead = np.where(first >= 0, float(scrape), scrape / 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            if self._born:
                before = np.take(counter, np.maximum(first, 0), axis=1)
                to_zero = np.where(gain > 0, sampled * before / gain, np.inf)
                gain *= 1 + np.minimum(ahead, to_zero) / sampled
            else:
                gain *= 1 + ahead / sampled
        # One sample alone has no increase.
        gain[:, sampled <= 0] = 0.0
        return gain

    def _tiled(self, window: int) -> tuple[Floats, Floats]:
        clock = self.clock
        step = clock.tile // clock.scrape
        seconds = self._at * clock.scrape
        looked = seconds // clock.later * clock.later
        # A tile is the counter now less what it was at the round before: their sum is its rise from round to round.
        rounds = [counter[:, ::step] for counter in self._counters]
        last = np.minimum(looked // clock.tile, rounds[1].shape[1] - 1)
        first = np.clip((looked - window) // clock.tile, 0, last)
        events, bad = (np.take(told, last, axis=1) - np.take(told, first, axis=1) for told in rounds)
        return events, bad

    def holds(self, condition: Condition) -> Flags:
        """At which evaluations a condition fires, one row for each history."""
        events, bad = self.sums(condition.long, tiled=condition.is_tiled(condition.long))
        found = (bad > condition.limit * events) & (bad >= condition.least_bad)
        if found.any():
            events, bad = self.sums(condition.short, tiled=condition.is_tiled(condition.short))
            found &= bad > condition.limit * events
        return _held(found, condition.held // self.clock.evaluation)


def counters(values: Floats | Ints, step: int, clock: Clock = CLOCK) -> Floats:
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
