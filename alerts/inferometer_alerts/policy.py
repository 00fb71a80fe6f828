"""Which windows and factors watch an objective: several burn rates, two windows each (SRE workbook, chapter 5).

A burn rate is the share of bad events as a multiple of the budget. It cannot exceed 1 / budget, so a factor that is
fine for 99.9 % can never be reached at 90 %. Hence two changes to the workbook's table: every factor is capped so that
a share of bad events well below 100 % reaches it, and where the budget is so large that using 2 % of it takes long,
one more leg watches for an outage directly.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from inferometer.fleet import durations
from inferometer.fleet.objective import COUNTED
from inferometer.fleet.slos import ObjectiveSpec
from inferometer_alerts.rule import Severity

_MINUTE = durations.parse("1m")
_REFERENCE_PERIOD_NS: Final = durations.parse("30d")
_SHORTEST_LONG_NS: Final = durations.parse("5m")
_SHORTEST_SHORT_NS: Final = durations.parse("1m")
DIRECT_NS: Final = durations.parse("1h")
"""Windows up to this are read from the raw counters, longer ones from tiles."""

MIN_BAD_EVENTS: Final = 3
"""Fewest bad events in the long window: in a healthy service with few requests one or two failures are no trend."""
FALSE_PAGES: Final = 0.05
"""What chance alone may make of a paging leg in 30 days, while a service uses half of its budget.

Three legs stay below 0.2 together; benchmarks/false_pages.py counts them in simulated months at any traffic.
"""
_HEALTHY: Final = Decimal("0.5")
# An outage: this share of requests is bad.
_OUTAGE_RATIO: Final = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class _Tier:
    """A row of the workbook's table: at which share of the budget, over which part of 30 days, capped where."""

    name: str
    severity: Severity
    budget_share: Decimal
    window: str
    highest_ratio: Decimal


_ROWS: Final = (
    _Tier("fast", Severity.PAGE, Decimal("0.02"), "1h", Decimal("0.50")),
    _Tier("medium", Severity.PAGE, Decimal("0.05"), "6h", Decimal("0.35")),
    _Tier("slow", Severity.TICKET, Decimal("0.10"), "1d", Decimal("0.25")),
    _Tier("long", Severity.TICKET, Decimal("0.10"), "3d", Decimal("0.15")),
)

_OUTAGE: Final = "outage"
TIERS: Final = (_OUTAGE, *(row.name for row in _ROWS))
"""Every value of the label ``slo_tier`` that a leg has, the most urgent first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One condition: the burn rate is above a factor in a long window, and still is in a short one."""

    tier: str
    severity: Severity
    long_ns: int
    short_ns: int
    factor: Decimal
    min_bad_events: int = MIN_BAD_EVENTS
    """Fewest bad events in the long window that are a trend."""

    @property
    def long(self) -> str:
        """Long window as Prometheus reads it."""
        return durations.render(self.long_ns)

    @property
    def short(self) -> str:
        """Short window as Prometheus reads it."""
        return durations.render(self.short_ns)

    def ratio(self, budget: Decimal) -> Decimal:
        """Share of bad events above which it fires."""
        return self.factor * budget

    def outage_seconds(self, budget: Decimal) -> float:
        """Seconds from the start of a total outage until it fires, without scraping and evaluation."""
        return float(self.ratio(budget)) * self.long_ns / 1e9


def budget(spec: ObjectiveSpec) -> Decimal:
    """Share of events that may be bad."""
    return 1 - spec.target / 100


def legs(spec: ObjectiveSpec) -> tuple[Leg, ...]:
    """The conditions that watch an objective, the most urgent first."""
    share = budget(spec)
    regular: tuple[Leg, ...] = ()
    for tier in _ROWS:
        leg = _leg(tier, spec.window_ns, share)
        # Caps and shortest windows must not make a slower leg the more tolerant one.
        highest = regular[-1].factor if regular else leg.factor
        regular = (*regular, replace(leg, factor=min(leg.factor, highest)))
    outage = _outage(share)
    quicker = outage.outage_seconds(share) < regular[0].outage_seconds(share)
    every = (outage, *regular) if quicker else regular
    # Half minutes hang together: that some of them are bad says no more than that the first one is.
    return tuple(_guarded(leg, share) for leg in every) if spec.sli in COUNTED else every


def _guarded(leg: Leg, share: Decimal) -> Leg:
    """A leg that pages asks for as many bad events as chance hardly ever brings together."""
    if leg.severity is not Severity.PAGE:
        # A ticket at a burn rate of 1 speaks of few events where there are few requests; a false one costs no sleep.
        return leg
    windows = _REFERENCE_PERIOD_NS / leg.long_ns
    fewest = leg.min_bad_events
    while windows * _chance(fewest, leg.ratio(share), float(share * _HEALTHY)) > FALSE_PAGES:
        fewest += 1
    return replace(leg, min_bad_events=fewest)


def _chance(bad: int, limit: Decimal, healthy: float) -> float:
    """Chance of at least so many bad events, in a window with as many requests as make them just reach the limit.

    With fewer requests they are less likely, and with more of them the limit asks for more bad ones.
    """
    requests = int(bad / limit)
    fewer, exactly = 0.0, (1 - healthy) ** requests
    for number in range(bad):
        fewer += exactly
        exactly *= (requests - number) / (number + 1) * healthy / (1 - healthy)
    return 1 - fewer


def _leg(tier: _Tier, period_ns: int, share: Decimal) -> Leg:
    # Windows grow and shrink with the period, so that the factors stay those of the table.
    long_ns = _minutes(durations.parse(tier.window) * period_ns // _REFERENCE_PERIOD_NS, _SHORTEST_LONG_NS)
    short_ns = _minutes(long_ns // 12, _SHORTEST_SHORT_NS)
    factor = min(tier.budget_share * period_ns / long_ns, tier.highest_ratio / share)
    return Leg(
        tier=tier.name,
        severity=tier.severity,
        long_ns=long_ns,
        short_ns=short_ns,
        factor=_rounded(factor),
    )


def _outage(share: Decimal) -> Leg:
    # 4 minutes find a total outage in 2; the more bad requests are normal, the longer it must look to be sure.
    minutes = 4 + max(0, int(100 * (share - Decimal("0.01"))))
    long_ns = minutes * _MINUTE
    return Leg(
        tier=_OUTAGE,
        severity=Severity.PAGE,
        long_ns=long_ns,
        short_ns=_minutes(long_ns // 4, _SHORTEST_SHORT_NS),
        factor=_rounded(_OUTAGE_RATIO / share),
    )


def _minutes(nanoseconds: int, least: int) -> int:
    return max(nanoseconds - nanoseconds % _MINUTE, least)


def _rounded(factor: Decimal) -> Decimal:
    return factor.quantize(Decimal("0.0001")).normalize()
