"""SLOs on a terminal."""

from collections.abc import Sequence
from decimal import Decimal
from textwrap import wrap
from typing import Final

from rich.text import Text

from inferometer.fleet import durations
from inferometer.fleet.model import ObjectiveSpec
from inferometer_alerts import detection
from inferometer_alerts.detection import Found, Outage
from inferometer_alerts.policy import budget, legs
from inferometer_compose.screens.columns import Column, plain, table
from inferometer_compose.screens.units import UNKNOWN, percent
from inferometer_compose.slo_budgets import DAY_SHARE, Budget

_DAY: Final = 86_400
_HOUR: Final = 3_600
_MINUTE: Final = 60
_WIDTH: Final = 100
_HOUR_SHARE: Final = DAY_SHARE / 24


def explained(spec: ObjectiveSpec, names: tuple[str, ...], requests_per_hour: float) -> str:
    """An objective, its legs and its outages, as lines of at most 100 columns."""
    share = budget(spec)
    period = durations.render(spec.window_ns)
    outage = time(float(share) * spec.window_ns / 1e9)
    lines = [
        f"{spec.name}: {_promise(spec)}, for {_exact(spec.target / 100)} of requests over {period}",
        *wrap(
            ", ".join(names), _WIDTH, initial_indent="  SLOs    ", subsequent_indent=" " * 10, break_long_words=False
        ),
        f"  budget  {_exact(share)} of requests: {_bad(spec, requests_per_hour)}, or {outage} of a total outage",
        "",
        "  alert   tier     windows       burn rate   bad requests   and at least",
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
        f"  at {requests_per_hour:,.10g} requests an hour",
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


def _promise(spec: ObjectiveSpec) -> str:
    if spec.threshold_ns is None:
        return "answers without failure"
    what = "a first result" if spec.sli.value.endswith("chunk") else "an answer"
    return f"{what} within {durations.render(spec.threshold_ns)}"


def _bad(spec: ObjectiveSpec, requests_per_hour: float) -> str:
    allowed = float(budget(spec)) * requests_per_hour * spec.window_ns / 1e9 / _HOUR
    return f"{allowed:,.0f} of {requests_per_hour * spec.window_ns / 1e9 / _HOUR:,.0f} may be bad"


def _exact(ratio: Decimal) -> str:
    return f"{(100 * ratio).normalize():f} %"


def status(budgets: Sequence[Budget], width: int) -> list[Text]:
    """The budgets as a table, the worst off first."""
    lines, left_out = table(
        [
            Column("slo", [plain(one.slo) for one in budgets], figure=False),
            Column("target", [f"{one.target:g} %" for one in budgets]),
            Column("requests", [_count(one.events) for one in budgets], rank=8),
            Column("bad", [_count(one.bad) for one in budgets], rank=7),
            Column("budget left", [budget_left(one) for one in budgets]),
            Column(
                "of a total outage", [UNKNOWN if one.left_seconds is None else _time(one) for one in budgets], rank=9
            ),
            Column("burn, hour", [_burn(one, one.window(_HOUR_SHARE)) for one in budgets], rank=2),
            Column("burn, day", [_burn(one, one.window(DAY_SHARE)) for one in budgets], rank=3),
            Column("gone in", [_gone(one) for one in budgets]),
            Column("alerts", [", ".join(one.firing) or UNKNOWN for one in budgets], rank=1, figure=False),
        ],
        width,
    )
    if left_out:
        lines.append(Text(f"  not shown here: {', '.join(left_out)}; --json has everything"))
    return lines


def budget_left(one: Budget) -> str:
    """``62.0 %``, ``-180.0 %`` when it is overdrawn."""
    return UNKNOWN if one.left is None else f"{100 * one.left:,.1f} %"


def _burn(one: Budget, window: str | None) -> str:
    return UNKNOWN if window is None else f"{one.burn[window]:.1f}"


def _count(number: float | None) -> str:
    return UNKNOWN if number is None else f"{number:,.0f}"


def _time(one: Budget) -> str:
    left = one.left_seconds or 0.0
    return time(left) if left > 0 else "none"


def _gone(one: Budget) -> str:
    if one.left is not None and one.left <= 0:
        return "gone"
    return UNKNOWN if one.gone_in_seconds is None else time(one.gone_in_seconds)


def time(seconds: float) -> str:
    """``45 s``, ``2.0 min``, ``3.5 h``, ``12 d``: a time that people wait."""
    if seconds < 2 * _MINUTE - 30:
        return f"{seconds:.0f} s"
    for size, unit in ((_MINUTE, "min"), (_HOUR, "h")):
        if seconds < 2 * {"min": _HOUR, "h": _DAY}[unit]:
            value = seconds / size
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"  # noqa: PLR2004 - two digits
    return f"{seconds / _DAY:.1f} d"
