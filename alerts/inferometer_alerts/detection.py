"""How long an outage lasts until somebody is told, how much budget is gone by then, and when the alert ends.

Arithmetic on the legs of a policy, for constant traffic and a history without failures. With the share *e* of bad
events a leg of the limit *r* over a long window *L* fires after ``r·L/e``; it has to be *e* > *r*. The short window is
over its limit by then, and below it again ``S·(1 - r/e)`` after the outage has ended.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from inferometer.fleet import durations
from inferometer.fleet.objective import COUNTED
from inferometer.fleet.slos import ObjectiveSpec
from inferometer_alerts.policy import DIRECT_NS, Leg, budget, legs
from inferometer_alerts.rule import Severity
from inferometer_alerts.slo_rules import LATER, NOW, TILE
from inferometer_alerts.time_scale import SCRAPE_NS

MULTIPLES: Final = (Decimal(100), Decimal(20), Decimal(5), Decimal(2))
"""Outages that are looked at: this many times the budget is bad, a total outage at most."""
_TOTAL: Final = Decimal(1)
_SECONDS_PER_HOUR: Final = 3_600
LOOKS_PER_HOUR: Final = 120.0
"""Events of what is looked at every half minute."""


def events_per_hour(spec: ObjectiveSpec, requests_per_hour: float) -> float:
    """Events of an objective at some traffic: one per request, or a look every half minute whatever the traffic."""
    return requests_per_hour if spec.sli in COUNTED else LOOKS_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An outage that a leg notices."""

    leg: Leg
    seconds: float
    """From its start until the condition holds."""
    delay_seconds: float
    """What scraping and evaluation may add to that, at most."""
    budget_used: float
    """Share of the period's budget that is gone by then."""
    reset_seconds: float
    """From the outage's end until the condition holds no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What happens at one share of bad events."""

    bad_ratio: Decimal
    exhausted_seconds: float
    """From its start until the whole budget is gone; it goes on until then."""
    page: Found | None
    """The first page."""
    page_ends_seconds: float | None
    """From the outage's end, if it was long, until the last page ends."""
    ticket: Found | None
    """The first ticket."""


def outages(spec: ObjectiveSpec) -> Sequence[Decimal]:
    """Shares of bad events from a total outage down to twice the budget."""
    share = budget(spec)
    return tuple(dict.fromkeys((_TOTAL, *(min(multiple * share, _TOTAL) for multiple in MULTIPLES))))


def table(spec: ObjectiveSpec, requests_per_hour: float, ratios: Iterable[Decimal] | None = None) -> Iterator[Outage]:
    """The outages of an objective, the worst first.

    Args:
        spec: the objective.
        requests_per_hour: traffic; with little of it the fewest bad events decide. It is no matter where an objective
            is about the time.
        ratios: shares of bad events, in (0, 1]; those of `outages` unless given.
    """
    share, per_hour = budget(spec), events_per_hour(spec, requests_per_hour)
    for bad_ratio in outages(spec) if ratios is None else ratios:
        found = [one for leg in legs(spec) if (one := _found(spec, leg, bad_ratio, per_hour))]
        yield Outage(
            bad_ratio=bad_ratio,
            exhausted_seconds=float(share / bad_ratio) * spec.window_ns / 1e9,
            page=_first(found, Severity.PAGE),
            page_ends_seconds=max(
                (one.reset_seconds for one in found if one.leg.severity is Severity.PAGE), default=None
            ),
            ticket=_first(found, Severity.TICKET),
        )


def seconds_until(leg: Leg, share: Decimal, bad_ratio: Decimal, requests_per_hour: float) -> float | None:
    """Seconds from an outage's start until a leg's condition holds; None: it never does.

    Args:
        leg: the condition.
        share: the objective's budget.
        bad_ratio: share of events that are bad in the outage.
        requests_per_hour: traffic.
    """
    limit = leg.ratio(share)
    if bad_ratio <= limit:
        return None
    bad_per_second = float(bad_ratio) * requests_per_hour / _SECONDS_PER_HOUR
    # So many bad events have to be in the long window at once.
    enough = leg.min_bad_events / bad_per_second
    if enough > leg.long_ns / 1e9:
        return None
    return max(float(limit / bad_ratio) * leg.long_ns / 1e9, enough)


def delay_seconds(leg: Leg) -> float:
    """What scraping and evaluating may add at most: a window of tiles waits for its last tile, and for its round."""
    tiled = 0 if leg.long_ns <= DIRECT_NS else durations.parse(TILE) + durations.parse(LATER)
    return (SCRAPE_NS + durations.parse(NOW) + tiled) / 1e9


def _found(spec: ObjectiveSpec, leg: Leg, bad_ratio: Decimal, requests_per_hour: float) -> Found | None:
    share = budget(spec)
    seconds = seconds_until(leg, share, bad_ratio, requests_per_hour)
    if seconds is None:
        return None
    return Found(
        leg=leg,
        seconds=seconds,
        delay_seconds=delay_seconds(leg),
        budget_used=float(bad_ratio / share) * seconds * 1e9 / spec.window_ns,
        reset_seconds=float(1 - leg.ratio(share) / bad_ratio) * leg.short_ns / 1e9,
    )


def _first(found: Iterable[Found], severity: Severity) -> Found | None:
    of_severity = [one for one in found if one.leg.severity is severity]
    return min(of_severity, key=lambda one: one.seconds + one.delay_seconds, default=None)
