"""The pages of a history, and what an incident in it would have done."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from inferometer.fleet.slos import ObjectiveSpec
from inferometer_alerts.policy import budget
from inferometer_compose.backtest.conditions import Condition
from inferometer_compose.backtest.counts import DAY, MINUTE, Counts
from inferometer_compose.backtest.engine import CLOCK, Clock, History, episodes
from inferometer_compose.backtest.incident import Incident, strike

MONTH: Final = 30 * DAY
_SECOND: Final = 10**9
STARTS: Final = 24
"""Moments at which an incident without one is tried: at night somebody is told later than at noon."""
_AHEAD: Final = 3_600
"""Seconds that are looked at behind an incident: a page may come when it is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Somebody is woken."""

    tier: str
    began: int
    """When it began to go wrong: from here on more was bad than half of the alert's limit. Seconds since the epoch."""
    at: int
    """When the alert fired."""
    ended: int
    budget_used: float
    """Share of a whole period's budget that went from its beginning to the page."""
    budget_lost: float
    """The same until the alert ended."""

    @property
    def seconds(self) -> int:
        """From the beginning to the page."""
        return self.at - self.began


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """What an incident at one moment did."""

    at: int
    seconds: float | None
    """From its beginning to the page; None: nobody was woken."""
    budget_used: float
    """Share of a period's budget that went until then, or in all where nobody was woken."""


def pages(
    counts: Counts, spec: ObjectiveSpec, conditions: Sequence[Condition], history: History | None = None
) -> list[Page]:
    """Whoever is woken in a history by any of the conditions, in the order of time.

    Args:
        counts: the history.
        spec: the objective.
        conditions: that page.
        history: of the same counts, where somebody has it already.
    """
    history = History.of(counts) if history is None else history
    clock = history.clock
    holds = [history.holds(condition)[0] for condition in conditions]
    firing = np.logical_or.reduce(holds)
    times = history.times.astype(np.int64)
    allowed = allowance(counts, spec)
    found = []
    for first, last in episodes(firing, clock):
        condition = next(one for one, held in zip(conditions, holds, strict=True) if held[first])
        at, ended = int(times[first]), int(times[last]) + clock.evaluation
        began = _began(counts, condition.limit / 2, at, condition.long)
        found.append(
            Page(
                tier=condition.tier,
                began=counts.begin + began,
                at=counts.begin + at,
                ended=counts.begin + ended,
                budget_used=_bad(counts, began, at) / allowed,
                budget_lost=_bad(counts, began, ended) / allowed,
            )
        )
    return found


def _began(counts: Counts, share: float, at: int, window: int) -> int:
    """The minute, in seconds from the beginning, from which on most was bad beyond a share until *at*.

    The change point of a cumulative sum whose reference lies between health and the alert's limit (Page, 1954).
    """
    last = -(-at // MINUTE)
    first = max(last - window // MINUTE, 0)
    excess = counts.bad[first:last] - share * counts.events[first:last]
    before = np.concatenate([[0.0], np.cumsum(excess)[:-1]])
    return int(first + len(before) - 1 - np.argmin(before[::-1])) * MINUTE


def allowance(counts: Counts, spec: ObjectiveSpec) -> float:
    """Bad events that a whole period may have, at the traffic of this history."""
    return float(budget(spec)) * counts.per_hour / 3_600 * spec.window_ns / _SECOND


def _bad(counts: Counts, begin: int, end: int) -> float:
    """Bad events between two moments, seconds from the beginning."""
    first, last = max(begin // MINUTE, 0), min(end // MINUTE, counts.minutes)
    rest = float(counts.bad[last]) * (end % MINUTE) / MINUTE if last < counts.minutes else 0.0
    return float(counts.bad[first:last].sum()) + rest


def starts(counts: Counts, incident: Incident, lead: int) -> list[int]:
    """Moments at which an incident is tried: its own, or some that lie evenly over the history.

    Args:
        counts: the history.
        incident: its length, and its moment where it has one.
        lead: seconds of history that should lie before it, where there are so many.
    """
    if incident.at is not None:
        return [incident.at // MINUTE * MINUTE]
    begin, end = counts.begin, counts.end - incident.seconds
    begin = min(begin + lead, max(begin, end - DAY))
    if end <= begin:
        return [counts.begin]
    # A number of steps that has no common period with a day, so that every hour of the day is met.
    return sorted({int(moment) // MINUTE * MINUTE for moment in np.linspace(begin, end, STARTS)})


def hits(
    counts: Counts, spec: ObjectiveSpec, conditions: Sequence[Condition], incident: Incident, clock: Clock = CLOCK
) -> list[Hit]:
    """What an incident does at each of its moments."""
    lead = max(condition.long for condition in conditions) + clock.tile + clock.later
    return [
        _hit(counts, spec, conditions, incident, at=at, lead=lead, clock=clock) for at in starts(counts, incident, lead)
    ]


def _hit(
    counts: Counts,
    spec: ObjectiveSpec,
    conditions: Iterable[Condition],
    incident: Incident,
    *,
    at: int,
    lead: int,
    clock: Clock,
) -> Hit:
    # Whole tiles, so that the part is cut as the whole is.
    first = max((at - counts.begin - lead) // clock.tile * clock.tile // MINUTE, 0)
    last = (at - counts.begin + incident.seconds + _AHEAD) // MINUTE
    part = strike(counts.part(first, last), incident, spec.sli, at)
    begins = at - part.begin
    history = History.of(part, clock)
    after = history.times > begins
    fired = [moments for one in conditions if len(moments := history.times[history.holds(one)[0] & after])]
    seconds = None if not fired else float(min(moments[0] for moments in fired)) - begins
    until = begins + (incident.seconds if seconds is None else int(seconds))
    allowed = allowance(counts, spec)
    return Hit(at=at, seconds=seconds, budget_used=_bad(part, begins, until) / allowed if allowed else 0.0)
