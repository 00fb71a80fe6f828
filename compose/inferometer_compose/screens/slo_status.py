"""Budgets on a terminal: what is left, how fast it goes, what the policy asks for, and what ate it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from rich.text import Text

from inferometer.fleet.budget_policy import BudgetStep
from inferometer_compose.screens.columns import Column, plain, table
from inferometer_compose.screens.slo import time
from inferometer_compose.screens.units import UNKNOWN, percent
from inferometer_compose.screens.wrapped import wrapped
from inferometer_compose.slo_budgets import DAY_SHARE, HOUR_SHARE, Budget
from inferometer_exporters.recorder.slo_causes_query import CauseAnswer, CausesAnswer

if TYPE_CHECKING:
    from inferometer_compose.slo_source import Known

_KNOWN_WELL: Final = 0.95
"""Part of a period that must be known for its budget to be that of the period."""
_NAMED: Final = 0.05
"""Part of the lost time below which a stage is not named."""
_ALIKE: Final = 1.05
"""Times as long that is no other length."""
_SEEN: Final = 0.9
"""Part of the bad requests that must be in the recorder that is asked, else it is said."""


def status(budgets: Sequence[Budget], told: "Known", causes: Mapping[str, CausesAnswer], width: int) -> Iterator[Text]:
    """The budgets as a table, the worst off first; then what asks for something, and what ate them."""
    lines, left_out = table(_columns(budgets), width)
    yield from lines
    if left_out:
        yield Text(f"  not shown here: {', '.join(left_out)}; --json has everything")
    for line in (*_due(budgets, told), *_ate(budgets, causes), *_sources(budgets, told, blamed=bool(causes))):
        yield from wrapped(line, width)


def _columns(budgets: Sequence[Budget]) -> list[Column]:
    return [
        Column("slo", [plain(one.slo) for one in budgets], figure=False),
        Column("target", [f"{one.target:g} %" for one in budgets], rank=1),
        Column("now", [_share(one.good_now) for one in budgets], rank=3),
        Column("window", [_share(one.good) for one in budgets], rank=4),
        Column("budget left", [budget_left(one) for one in budgets]),
        Column("requests", [_count(one.left_requests) for one in budgets], rank=5),
        Column("outage", [_outage(one) for one in budgets], rank=6),
        Column("burn 1h", [_burn(one, one.window(HOUR_SHARE)) for one in budgets], rank=2),
        Column("burn 1d", [_burn(one, one.window(DAY_SHARE)) for one in budgets], rank=7),
        Column("gone in", [_gone(one) for one in budgets]),
        Column("alerts", [", ".join(one.firing) or UNKNOWN for one in budgets], rank=8, figure=False),
    ]


def budget_left(one: Budget) -> str:
    """``62.0 %``, ``-180.0 %`` when it is overdrawn."""
    return UNKNOWN if one.left is None else f"{100 * one.left:,.1f} %"


def _share(ratio: float | None) -> str:
    """Of good requests: as many digits as 99.99 % needs, and never 100 % where one was bad."""
    return percent(ratio, digits=2)


def _burn(one: Budget, window: str | None) -> str:
    return UNKNOWN if window is None else f"{one.burn[window]:.1f}"


def _count(number: float | None) -> str:
    return UNKNOWN if number is None else f"{number:,.0f}" if number > 0 else "none"


def _outage(one: Budget) -> str:
    if one.left_seconds is None:
        return UNKNOWN
    return time(one.left_seconds) if one.left_seconds > 0 else "none"


def _gone(one: Budget) -> str:
    if one.left is not None and one.left <= 0:
        return "gone"
    return UNKNOWN if one.gone_in_seconds is None else time(one.gone_in_seconds)


def _due(budgets: Sequence[Budget], told: "Known") -> Iterator[Text]:
    """What the policy asks for."""
    asked = [(one, one.due(told.policy)) for one in budgets]
    if not any(steps for _, steps in asked):
        return
    yield Text()
    yield Text("  The policy asks for", "bold")
    for one, steps in asked:
        if steps:
            said = ", ".join(f"{step.do.value} ({rest(step)})" for step in steps)
            yield Text(f"  {plain(one.slo)}: {said}")


def rest(step: BudgetStep) -> str:
    """``below 10 %``: from which rest of a budget on something is done."""
    return f"below {step.below.normalize():f} %" if step.below else "it is gone"


def _ate(budgets: Sequence[Budget], causes: Mapping[str, CausesAnswer]) -> Iterator[Text]:
    if not causes:
        return
    yield Text()
    yield Text("  What ate it", "bold")
    for one in budgets:
        if (answer := causes.get(one.slo)) is not None:
            yield from _eaten(one, answer)


def _eaten(one: Budget, answer: CausesAnswer) -> Iterator[Text]:
    head = f"  {plain(one.slo)}: {answer['bad']:,.0f} bad of {answer['events']:,.0f}"
    if one.bad and answer["bad"] < _SEEN * one.bad:
        head += f"; {one.bad:,.0f} in the whole fleet and period"
    yield Text(head)
    for cause in answer["causes"]:
        yield Text(f"    {_cause(cause)}")
    if not answer["causes"]:
        yield Text(
            "    nobody in particular: no version, tenant, class, region or device stands out"
            if answer["tested"]
            else "    nobody to compare: all of it is one version, tenant, class, region and device"
        )
    if answer["outcomes"]:
        yield Text(f"    ended as {_parts(answer['outcomes'])}")
    if stages := {name: share for name, share in answer["stages"].items() if share >= _NAMED}:
        ordered = sorted(stages.items(), key=lambda item: -item[1])
        yield Text(
            f"    late ones lost their time in {', '.join(f'{name} {percent(share)}' for name, share in ordered)}"
        )


def _cause(cause: CauseAnswer) -> str:
    text = f"{cause['dimension']} {plain(cause['value']) or '(none)'}: {percent(cause['share'])} of it"
    text += f", {cause['lift']:.1f} times as often bad as the mean"
    if cause["clustered"]:
        text += f"; weak: clustered in time, worse than others in {cause['blocks']} of {cause['of_blocks']} stretches"
    else:
        text += f", in {cause['blocks']} of {cause['of_blocks']} stretches of time"
    if cause["also"]:
        text += f" (the same requests: {', '.join(f'{name} {plain(value)}' for name, value in cause['also'])})"
    return text


def _parts(outcomes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in outcomes.items())


def _sources(budgets: Sequence[Budget], told: "Known", *, blamed: bool) -> Iterator[Text]:
    yield Text()
    yield Text(f"  budgets: {told.told_by}" + (f"; what ate them: {told.blamed_by}" if blamed else ""))
    short = [one for one in budgets if one.known_seconds and one.known_seconds < _KNOWN_WELL * one.period_seconds]
    if short:
        least, most = (limit(one.known_seconds or 0.0 for one in short) for limit in (min, max))
        known = time(least) if most < _ALIKE * least else f"{time(least)} to {time(most)}"
        yield Text(f"  of their periods {known} are known, and a budget is what that shows")
    for note in told.notes:
        yield Text(f"  {note}")
