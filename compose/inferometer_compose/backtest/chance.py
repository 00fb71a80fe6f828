"""Pages for nothing: what chance alone makes of a service that is well, at the traffic that a history has."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from inferometer_compose.backtest.conditions import Condition
from inferometer_compose.backtest.counts import MINUTE, Counts, Ints
from inferometer_compose.backtest.engine import CLOCK, Clock, History, counters, episodes

MONTHS: Final = 10
HEALTHY: Final = 0.5
"""Share of the budget that a service which is well uses."""
_MONTH_MINUTES: Final = 30 * 1_440
_SEED: Final = 7


def healthy(counts: Counts, share: float, *, months: int = MONTHS, seed: int = _SEED) -> History:
    """Months in which events fail independently of each other, at half of the budget.

    Args:
        counts: whose traffic is repeated until a month is full.
        share: of events that may be bad.
        months: that are made.
        seed: of the random numbers.
    """
    random = np.random.default_rng(seed)
    events = np.rint(np.resize(counts.events, _MONTH_MINUTES)).astype(np.int64)
    bad = random.binomial(events, share * HEALTHY, (months, _MONTH_MINUTES))
    return simulated(events, bad, step=MINUTE)


def simulated(events: Ints, bad: Ints, *, step: int, clock: Clock = CLOCK) -> History:
    """Histories of simulated months.

    Args:
        events: of each step; a row for each month, or one for all.
        bad: of each step; a row for each month.
        step: seconds.
        clock: when rules are evaluated.
    """
    return History(counters(events, step, clock), counters(bad, step, clock), clock)


def for_nothing(months: History, conditions: Sequence[Condition]) -> float:
    """Pages in 30 days by conditions that page, mean of months in which nothing is wrong."""
    firing = np.logical_or.reduce([months.holds(condition) for condition in conditions])
    return sum(len(episodes(month, months.clock)) for month in firing) / months.rows
