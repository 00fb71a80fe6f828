"""Whose windows: ours, as the policy has them for an objective, and those that others use for every objective."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from inferometer.fleet import durations
from inferometer.fleet.slos import ObjectiveSpec
from inferometer_alerts.policy import DIRECT_NS, budget, legs
from inferometer_alerts.rule import Severity

_SECOND: Final = 10**9
_DIRECT: Final = DIRECT_NS // _SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What makes an alert fire: a share of bad events in two windows (seconds), and enough of them."""

    tier: str
    severity: Severity
    limit: float
    """Share of bad events; above it the condition holds."""
    long: int
    short: int
    least_bad: float = 0.0
    """Bad events in the long window, at least."""
    held: int = 0
    """Seconds for which it must hold (``for:``)."""
    tiles: bool = False
    """Windows of more than an hour are sums of tiles, as ours are."""

    def is_tiled(self, window: int) -> bool:
        """Whether a window is a sum of tiles."""
        return self.tiles and window > _DIRECT


def ours(spec: ObjectiveSpec) -> tuple[Condition, ...]:
    """The legs of our policy."""
    share = budget(spec)
    return tuple(
        Condition(
            tier=leg.tier,
            severity=leg.severity,
            limit=float(leg.ratio(share)),
            long=leg.long_ns // _SECOND,
            short=leg.short_ns // _SECOND,
            least_bad=float(leg.min_bad_events),
            tiles=True,
        )
        for leg in legs(spec)
    )


_Row = tuple[str, Severity, float, str, str, str]
# Name, severity, factor, long, short, for. Sloth v0.16, internal/alert/windows/google-30d.yaml: the table of the SRE
# workbook, chapter 5, with a fourth row.
_SLOTH: Final[tuple[_Row, ...]] = (
    ("fast", Severity.PAGE, 14.4, "1h", "5m", "0s"),
    ("medium", Severity.PAGE, 6.0, "6h", "30m", "0s"),
    ("slow", Severity.TICKET, 3.0, "1d", "2h", "0s"),
    ("long", Severity.TICKET, 1.0, "3d", "6h", "0s"),
)
# Pyrra at 1ba95af, slo/rules.go, for 28 days.
_PYRRA: Final[tuple[_Row, ...]] = (
    ("fast", Severity.PAGE, 14.0, "1h", "5m", "2m"),
    ("medium", Severity.PAGE, 7.0, "6h", "30m", "15m"),
    ("slow", Severity.TICKET, 2.0, "1d", "2h", "1h"),
    ("long", Severity.TICKET, 1.0, "4d", "6h", "3h"),
)


def classic(spec: ObjectiveSpec) -> tuple[Condition, ...]:
    """Google's windows, as Sloth generates them."""
    return _of_rows(spec, _SLOTH)


def pyrra(spec: ObjectiveSpec) -> tuple[Condition, ...]:
    """Pyrra's windows."""
    return _of_rows(spec, _PYRRA)


def _of_rows(spec: ObjectiveSpec, rows: Iterable[_Row]) -> tuple[Condition, ...]:
    share = float(budget(spec))
    return tuple(
        Condition(
            tier=tier,
            severity=severity,
            limit=factor * share,
            long=durations.parse(long) // _SECOND,
            short=durations.parse(short) // _SECOND,
            held=durations.parse(held) // _SECOND,
        )
        for tier, severity, factor, long, short, held in rows
    )


def paging(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """Those that wake somebody."""
    return tuple(condition for condition in conditions if condition.severity is Severity.PAGE)
