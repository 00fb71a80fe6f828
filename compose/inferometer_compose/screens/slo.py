"""SLOs on a terminal."""

from decimal import Decimal
from textwrap import wrap
from typing import Final

from inferometer.fleet import durations
from inferometer.fleet.objective import COUNTED
from inferometer.fleet.slos import ObjectiveSpec
from inferometer_alerts import detection, wording
from inferometer_alerts.detection import Found, Outage
from inferometer_alerts.policy import budget, legs
from inferometer_compose.screens.units import UNKNOWN, percent

_DAY: Final = 86_400
_HOUR: Final = 3_600
_MINUTE: Final = 60
_WIDTH: Final = 100


def explained(spec: ObjectiveSpec, names: tuple[str, ...], requests_per_hour: float) -> str:
    """An objective, its legs and its outages, as lines of at most 100 columns."""
    share = budget(spec)
    period, events = durations.render(spec.window_ns), wording.events(spec)
    counted, per_hour = spec.sli in COUNTED, detection.events_per_hour(spec, requests_per_hour)
    outage = time(float(share) * spec.window_ns / 1e9)
    lines = [
        *wrap(
            f"{spec.name}: {wording.promise(spec)}, for {_exact(spec.target / 100)} of {events} over {period}",
            _WIDTH,
            subsequent_indent=" " * 10,
            break_on_hyphens=False,
        ),
        *wrap(
            ", ".join(names),
            _WIDTH,
            initial_indent="  SLOs    ",
            subsequent_indent=" " * 10,
            break_long_words=False,
            break_on_hyphens=False,
        ),
        f"  budget  {_exact(share)} of {events}: {_bad(spec, per_hour)}, or {outage} of a total outage",
        "",
        f"  alert   tier     windows       burn rate   {'bad requests' if counted else 'bad share':<14} and at least",
    ]
    for leg in legs(spec):
        windows = f"{leg.long} + {leg.short}"
        limit = f"> {leg.factor.normalize():f}"
        lines.append(
            f"  {leg.severity.value:<7} {leg.tier:<8} {windows:<13} {limit:<11} "
            f"{'> ' + _exact(leg.ratio(share)):<14} {leg.min_bad_events} bad"
        )
    lines += [
        "",
        f"  at {requests_per_hour:,.10g} requests an hour" if counted else "  looked at every half minute",
        "  bad     page after            budget used   ends after   ticket after          all budget gone",
    ]
    lines += [_outage(outage) for outage in detection.table(spec, requests_per_hour)]
    return "\n".join(lines)


def _outage(outage: Outage) -> str:
    page = outage.page
    used = UNKNOWN if page is None else percent(page.budget_used, digits=1)
    reset = UNKNOWN if outage.page_ends_seconds is None else time(outage.page_ends_seconds)
    return (
        f"  {_exact(outage.bad_ratio):<7} {_after(page):<21} {used:<13} {reset:<12} {_after(outage.ticket):<21} "
        f"{time(outage.exhausted_seconds)}"
    )


def _after(found: Found | None) -> str:
    if found is None:
        return "never"
    return f"{time(found.seconds)} (+ ≤ {time(found.delay_seconds)})"


def _bad(spec: ObjectiveSpec, requests_per_hour: float) -> str:
    allowed = float(budget(spec)) * requests_per_hour * spec.window_ns / 1e9 / _HOUR
    return f"{allowed:,.0f} of {requests_per_hour * spec.window_ns / 1e9 / _HOUR:,.0f} may be bad"


def _exact(ratio: Decimal) -> str:
    return f"{(100 * ratio).normalize():f} %"


def time(seconds: float) -> str:
    """``45 s``, ``2.0 min``, ``3.5 h``, ``12 d``: a time that people wait."""
    if seconds < 2 * _MINUTE - 30:
        return f"{seconds:.0f} s"
    for size, unit in ((_MINUTE, "min"), (_HOUR, "h")):
        if seconds < 2 * {"min": _HOUR, "h": _DAY}[unit]:
            value = seconds / size
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"  # noqa: PLR2004 - two digits
    return f"{seconds / _DAY:.1f} d"
