"""An objective and its neighbours, by our windows and by the classic ones: what each would have done to people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import numpy as np

from inferometer.fleet.slos import ObjectiveSpec
from inferometer_alerts.policy import budget
from inferometer_compose.backtest import chance, replay
from inferometer_compose.backtest.conditions import Condition, classic, ours, paging
from inferometer_compose.backtest.counts import MINUTE, Counts
from inferometer_compose.backtest.engine import History
from inferometer_compose.backtest.incident import Incident
from inferometer_compose.backtest.replay import MONTH, Hit, Page

NEIGHBOURS: Final = tuple(map(Decimal, ("90", "95", "99", "99.5", "99.9", "99.95", "99.99")))
"""Per cent: what fleets commonly promise, from what can hardly be missed to what can hardly be kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one set of windows would have told people."""

    pages: tuple[Page, ...]
    per_month: float | None
    """Pages in 30 days, at the rate of the history; None of one that is too short to tell."""
    for_nothing: float | None
    """Pages in 30 days that chance alone makes at this traffic, while the service uses half of its budget; None too."""
    hits: tuple[Hit, ...]
    """What the incident did at each of its moments; empty without one."""

    @property
    def missed(self) -> int:
        """Moments at which nobody would have been woken."""
        return sum(hit.seconds is None for hit in self.hits)

    @property
    def typical(self) -> Hit | None:
        """The hit in the middle, by the time to the page; those that page nobody are the slowest."""
        ordered = sorted(self.hits, key=_slowness)
        return ordered[len(ordered) // 2] if ordered else None

    @property
    def worst(self) -> Hit | None:
        """The slowest one."""
        return max(self.hits, key=_slowness, default=None)


def _slowness(hit: Hit) -> float:
    return float("inf") if hit.seconds is None else hit.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One target."""

    target: Decimal
    """Per cent."""
    allowed: float
    """Bad events that the history may have."""
    budget_used: float
    """Share of the budget that went in the worst stretch as long as the objective's period; in the whole history
    where that is shorter."""
    ours: Told
    classic: Told


def neighbours(target: Decimal) -> list[Decimal]:
    """Targets that are looked at: the objective's own among the common ones."""
    return sorted({*NEIGHBOURS, target})


def judged(counts: Counts, spec: ObjectiveSpec, incident: Incident | None = None) -> Iterator[Judged]:
    """The objective and its neighbours, from the most tolerant to the strictest.

    Args:
        counts: the history.
        spec: the objective.
        incident: that is put into it.
    """
    history = History.of(counts)
    for target in neighbours(spec.target):
        near = replace(spec, target=target)
        share = float(budget(near))
        months = chance.healthy(counts, share) if counts.tell_a_month else None
        yield Judged(
            target=target,
            allowed=share * counts.total,
            budget_used=used(counts, share, near.window_ns // 10**9 // MINUTE),
            ours=_told(counts, near, paging(ours(near)), incident, history=history, months=months),
            classic=_told(counts, near, paging(classic(near)), incident, history=history, months=months),
        )


def _told(
    counts: Counts,
    spec: ObjectiveSpec,
    conditions: Sequence[Condition],
    incident: Incident | None,
    *,
    history: History,
    months: History | None,
) -> Told:
    found = tuple(replay.pages(counts, spec, conditions, history))
    watched = counts.watched * counts.seconds
    return Told(
        pages=found,
        per_month=len(found) * MONTH / watched if counts.tell_a_month and watched else None,
        for_nothing=None if months is None else chance.for_nothing(months, conditions),
        hits=() if incident is None else tuple(replay.hits(counts, spec, conditions, incident)),
    )


def used(counts: Counts, share: float, period: int) -> float:
    """Share of the budget that went in the worst stretch of *period* minutes; 0 without any event."""
    events, bad = (np.concatenate([[0.0], np.cumsum(values)]) for values in (counts.events, counts.bad))
    period = min(period, counts.minutes)
    events, bad = (summed[period:] - summed[:-period] for summed in (events, bad))
    asked = events > 0
    return float((bad[asked] / events[asked]).max() / share) if asked.any() else 0.0
