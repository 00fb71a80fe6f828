"""The objective that a history supports, and why; and where a history is too short to say, that."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from inferometer.fleet import durations
from inferometer_compose.backtest.counts import LEAST_DAYS, Counts
from inferometer_compose.backtest.judgement import Judged

LEAST_WATCHED: Final = 0.5
"""Share of the minutes that somebody watched."""
LEAST_ALLOWED: Final = 10.0
"""Bad events that the target must allow in the history: of fewer one more or less decides."""
HEADROOM: Final = 0.25
"""Part of the budget that should be left: the next month holds what this one did not."""
MOST_FOR_NOTHING: Final = 0.2
"""Pages in 30 days that chance alone may make."""
_SECOND: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What may be promised."""

    target: Decimal | None
    """Per cent; None: nothing can be said, or nothing is supported."""
    too_little: str
    """What is missing for an answer; empty where there is enough."""
    reasons: tuple[str, ...]
    """Of the targets that are not supported, from the objective's own or the next stricter one on."""


def advice(counts: Counts, rows: Sequence[Judged]) -> Advice:
    """The strictest target that a history supports.

    Args:
        counts: the history.
        rows: of all targets, the most tolerant first.
    """
    if missing := too_little(counts):
        return Advice(target=None, too_little=missing, reasons=())
    supported: Decimal | None = None
    for row in rows:
        said = against(row)
        if said:
            return Advice(target=supported, too_little="", reasons=(said,))
        supported = row.target
    return Advice(target=supported, too_little="", reasons=())


def too_little(counts: Counts) -> str:
    """What a history lacks for any advice; empty where it is long enough."""
    if not counts.tell_a_month:
        known = durations.render(counts.seconds * _SECOND)
        return f"{known} are known, and a week has days of every kind: ask again after {LEAST_DAYS} days"
    if counts.watched < LEAST_WATCHED:
        return f"nobody watched for {100 * (1 - counts.watched):.0f} % of the time"
    if not counts.total:
        return "there was no request"
    return ""


def against(row: Judged) -> str:
    """Why a target is not supported; empty where it is."""
    if row.budget_used > 1:
        return f"{row.target} % would have been missed: {_percent(row.budget_used)} of its budget went"
    if row.budget_used > 1 - HEADROOM:
        return f"{row.target} % would just have been kept: {_percent(row.budget_used)} of its budget went"
    if row.allowed < LEAST_ALLOWED:
        return f"{row.target} % allows {row.allowed:.1f} bad requests in all of it: that few prove nothing"
    if row.ours.for_nothing is not None and row.ours.for_nothing > MOST_FOR_NOTHING:
        return f"{row.target} % would wake somebody for nothing {row.ours.for_nothing:.1f} times a month"
    return ""


def _percent(share: float) -> str:
    return f"{100 * share:,.0f} %"
