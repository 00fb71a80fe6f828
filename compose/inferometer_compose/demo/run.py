"""One run of the demo, from the first process to the figures."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from inferometer.fleet.slos import Slo
from inferometer_compose.demo.budget import worst_left
from inferometer_compose.demo.engine_figures import EngineFigures
from inferometer_compose.demo.faultline import FaultLine
from inferometer_compose.demo.held_back import HeldBackLine
from inferometer_compose.demo.loadline import LoadLine
from inferometer_compose.demo.reading import figures_of
from inferometer_compose.demo.sidecar import Sidecar
from inferometer_compose.demo.stories import firing, stories
from inferometer_compose.faults import Fault, window_of
from inferometer_compose.load.counts import CountsJson
from inferometer_compose.screens.figures import AlertStory, Figures
from inferometer_compose.screens.progress import Progress
from inferometer_compose.stack.fleet import url
from inferometer_compose.stack.local import LocalStack
from inferometer_compose.stack.process import StartError

STEP_SECONDS = 0.25
# How long the last records, and the news that a page is over, may take after the load. Tickets watch long windows.
SETTLE_SECONDS = 8.0
PAGE = "page"
_LOAD_END_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run does."""

    seconds: float
    rate_per_second: float
    fault: Fault | None = None
    engines: tuple[Slo, ...] = ()
    """What is promised of model servers whose own pages are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run found; ``sent`` is the load generator's own count."""

    figures: Figures
    sent: CountsJson


def run(stack: LocalStack, plan: Plan, show: Callable[[Progress], None]) -> Outcome:
    """Send the load through a stack that is up, and collect what was seen.

    Args:
        stack: Peers, sidecar and fleet are ready.
        plan: What to do.
        show: Told how the run stands, four times a second.

    Raises:
        StartError: the load ended before its time.
        AnswerError: the sidecar does not answer at the end.
    """
    line = LoadLine()
    faults = FaultLine(stack.services, plan.fault, window_of(plan.seconds))
    sidecar = Sidecar(stack.api)
    held_back = HeldBackLine(stack.up.get("alertmanager"))
    engines = EngineFigures(f"{url(stack.sidecar.metrics)}/metrics", stack.thresholds.engines, plan.engines)
    began, began_at = time.monotonic(), time.time()
    state = Progress(seconds=0, total_seconds=plan.seconds, per_second=0, error_ratio=None)
    load = stack.start_load(rate_per_second=plan.rate_per_second, seconds=plan.seconds)
    if load.output is None:
        raise StartError("the load has no output to read")
    line.follow(load.output)

    while not line.last["done"]:
        seconds = time.monotonic() - began
        if not load.running() and not line.finished.wait(1.0):
            raise StartError(f"the load ended early\n{load.last_lines()}")
        if seconds > plan.seconds + _LOAD_END_SECONDS:
            raise StartError("the load did not end: the fleet stopped answering")
        faults.at(seconds)
        engines.look()
        per_second, error_ratio = line.lately()
        told = stories(stack.inbox.alerts(), since=began_at)
        state = Progress(
            seconds=min(seconds, plan.seconds),
            total_seconds=plan.seconds,
            per_second=per_second,
            error_ratio=error_ratio,
            fault=faults.active or "",
            budget_left=worst_left(sidecar.objectives(), engines.objectives()),
            firing=firing(told, now=seconds),
        )
        show(state)
        time.sleep(STEP_SECONDS)
    # That traffic stops when the load ends is news to Prometheus, and none to who reads the report.
    during = partial(_during, stack, began_at, line.last["seconds"])
    _settle(sidecar, line.last["sent"], during, lambda waits_for: show(replace(state, waits_for=waits_for)))
    held_back.end()
    figures = figures_of(
        sidecar.summary(),
        sidecar.slowest(),
        stack.thresholds,
        alerts=during(),
        alerts_missing=_alerts_missing(stack),
        exported_to="Jaeger" if "jaeger" in stack.up else "",
    )
    engines.look_now()
    figures = replace(
        figures,
        times=(*figures.times, *engines.times()),
        objectives=(*figures.objectives, *engines.objectives()),
    )
    quiet = tuple(one for one in held_back.alerts(since=began_at) if 0 <= one.fired_at < line.last["seconds"])
    figures = replace(figures, held_back=quiet)
    return Outcome(figures=figures, sent=line.last)


def _alerts_missing(stack: LocalStack) -> str:
    if "prometheus" not in stack.up:
        return "not evaluated: no Prometheus"
    return "" if "alertmanager" in stack.up else "not delivered: no Alertmanager"


def _during(stack: LocalStack, began_at: float, seconds: float) -> tuple[AlertStory, ...]:
    told = stories(stack.inbox.alerts(), since=began_at)
    return tuple(story for story in told if story.fired_at < seconds)


def _settle(
    sidecar: Sidecar, sent: int, during: Callable[[], tuple[AlertStory, ...]], say: Callable[[str], None]
) -> None:
    """Wait until the last records are in and no page that the run brought fires any more, for a few seconds."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        pages = [story for story in during() if story.severity == PAGE and story.resolved_at is None]
        if not pages and sidecar.summary()["requests"] >= sent:
            return
        say("the news that the page is over" if pages else "the last records")
        time.sleep(STEP_SECONDS)
