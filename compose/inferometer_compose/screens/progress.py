"""The line that lives while a demo runs."""

from dataclasses import dataclass

from rich.text import Text

from inferometer_compose.screens.units import clock, percent

_BAR, _SHORTEST_BAR = 40, 10
# What stands behind the bar at its longest; the bar must not change its length while people watch.
_TEXT = 100


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
    """

    seconds: float
    total_seconds: float
    per_second: float
    error_ratio: float | None
    fault: str = ""
    budget_left: float | None = None
    firing: tuple[tuple[str, float], ...] = ()


def progress_line(state: Progress, *, width: int) -> Text:
    """The line for a terminal of that many columns; what does not fit is cut at the right."""
    parts: list[tuple[str, str]] = [(f"{state.seconds:.0f} s of {state.total_seconds:.0f}", "")]
    parts.append((f"{state.per_second:.0f} req/s", ""))
    fault = f" (fault: {state.fault})" if state.fault else ""
    parts.append((f"errors {percent(state.error_ratio, digits=1)}{fault}", "red" if state.error_ratio else ""))
    if state.budget_left is not None:
        parts.append((f"budget {percent(state.budget_left)} left", "red" if state.budget_left <= 0 else ""))
    if state.firing:
        ages = ", ".join(f"{severity} {seconds:.0f} s" for severity, seconds in state.firing)
        parts.append((f"● firing: {ages}", "bold red"))
    start = f"  {clock(state.seconds)}  "
    bar = min(_BAR, max(_SHORTEST_BAR, width - _TEXT - len(start)))
    done = min(1.0, state.seconds / state.total_seconds) if state.total_seconds else 1.0
    full = int(done * bar)
    tip = "╺" if full < bar else ""
    line = Text.assemble((start, ""), ("━" * full, "green"), (tip + "━" * (bar - full - len(tip)), "bright_black"))
    for part, style in parts:
        line.append("   ")
        line.append(part, style)
    line.truncate(width, overflow="ellipsis")
    return line
