"""The line that lives while a demo runs."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.text import Text

from inferometer_compose.screens.units import clock, percent

_BAR, _SHORTEST_BAR, _LEAST_WITH_BAR = 40, 10, 76
_GAP = "   "
# What stands behind the bar at its longest; the bar must not change its length while people watch.
_TEXT = 100

_Part = tuple[str, str]
"""A text and its style."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How a run stands.

    Attributes:
        seconds: Since the load began.
        total_seconds: How long it lasts.
        per_second: Requests lately.
        error_ratio: Failed ones lately, as the load generator saw them.
        fault: The fault that is on now.
        budget_left: Of the objective that is worst off.
        firing: Severities of the alerts that fire, with seconds since then.
        waits_for: What is still to come when the load has ended.
    """

    seconds: float
    total_seconds: float
    per_second: float
    error_ratio: float | None
    fault: str = ""
    budget_left: float | None = None
    firing: tuple[tuple[str, float], ...] = ()
    waits_for: str = ""


def progress_line(state: Progress, *, width: int) -> Text:
    """The line for a terminal of that many columns: what matters least is said shorter, or not, where it is narrow."""
    start = f"  {clock(state.seconds)}  "
    line = Text.assemble((start, ""), *_bar(state, width, len(start)))
    said = next((parts for parts in _shorter(state) if len(line) + _length(parts) <= width), None)
    for part, style in said or list(_shorter(state))[-1]:
        line.append(_GAP if len(line) > len(start) else "")
        line.append(part, style)
    line.truncate(width, overflow="ellipsis")
    return line


def _bar(state: Progress, width: int, taken: int) -> list[tuple[str, str]]:
    if width < _LEAST_WITH_BAR:
        return []
    bar = min(_BAR, max(_SHORTEST_BAR, width - _TEXT - taken))
    done = min(1.0, state.seconds / state.total_seconds) if state.total_seconds else 1.0
    full = int(done * bar)
    tip = "╺" if full < bar else ""
    return [("━" * full, "green"), (tip + "━" * (bar - full - len(tip)), "bright_black")]


def _shorter(state: Progress) -> Iterator[list[_Part]]:
    """What stands behind the bar, from all of it to what nobody may miss."""
    if state.waits_for:
        yield [("the load has ended; waiting for " + state.waits_for, "")]
        yield [("waiting for " + state.waits_for, "")]
        return
    of_all: _Part = (f"{math.floor(state.seconds)} s of {state.total_seconds:.0f}", "")
    rate: _Part = (f"{state.per_second:.0f} req/s", "")
    red = "red" if state.error_ratio else ""
    errors: _Part = (f"errors {percent(state.error_ratio, digits=1)}", red)
    faulty = (f"{errors[0]} (fault: {state.fault})", red) if state.fault else errors
    budget, short_budget = _budget(state.budget_left)
    ages = ", ".join(f"{severity} {seconds:.0f} s" for severity, seconds in state.firing)
    firing: list[_Part] = [(f"● firing: {ages}", "bold red")] if ages else []
    short_firing: list[_Part] = [(f"● {ages}", "bold red")] if ages else []
    yield [of_all, rate, faulty, *budget, *firing]
    yield [rate, faulty, *budget, *short_firing]
    yield [rate, errors, *budget, *short_firing]
    yield [rate, errors, *short_budget, *short_firing]
    yield [errors, *short_budget, *short_firing]


def _budget(left: float | None) -> tuple[list[_Part], list[_Part]]:
    if left is None:
        return [], []
    text, style = f"budget {percent(left)}", "red" if left <= 0 else ""
    return [(f"{text} left", style)], [(text, style)]


def _length(parts: Iterable[_Part]) -> int:
    return sum(len(_GAP) + len(text) for text, _ in parts)
