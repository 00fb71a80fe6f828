"""What the API answers about objectives.

``/api/slo``
    `PromisesAnswer`: every objective of fleet.yaml and the policy for budgets, as the sidecar knows them.
``/api/slo/minutes?slo=NAME&since_seconds=N``
    `MinutesAnswer`: what counted for it, by minute.
``/api/slo/causes?slo=NAME&since_seconds=N``
    `CausesAnswer`: what ate its budget.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Final, TypedDict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inferometer.errors import InferometerError
from inferometer.fleet.objective import Objective
from inferometer.fleet.thresholds import Thresholds
from inferometer_exporters import parameters
from inferometer_exporters.recorder.reading import SECOND, Cursor
from inferometer_exporters.recorder.slo_causes_query import what_ate
from inferometer_exporters.recorder.slo_minutes import MINUTE_NS, last_ns, minutes, watched

PATH: Final = "/api/slo"
Ask = Callable[[Callable[[Cursor], object]], Awaitable[Response]]
"""Asks the recorder in a thread, and answers with JSON."""
_OF_MINUTES: Final = frozenset({"slo", "since_seconds"})


class PromiseAnswer(TypedDict):
    """An objective of one model."""

    slo: str
    service: str
    model: str
    objective: str
    sli: str
    threshold_seconds: float | None
    target: str
    """Per cent, as fleet.yaml has it."""
    target_ratio: float
    period_seconds: float


class StepAnswer(TypedDict):
    """What is done when so little of a budget is left."""

    below: float
    """Per cent of the budget."""
    do: str


class PromisesAnswer(TypedDict):
    """Every objective, and the policy for their budgets."""

    slos: list[PromiseAnswer]
    policy: list[StepAnswer]


class MinutesAnswer(TypedDict):
    """What counted for one objective; minutes since the epoch, those without a request left out."""

    slo: str
    begin: int
    """The first minute that was asked for and is known."""
    end: int
    """The minute behind the last one."""
    watched: list[tuple[int, int]]
    """First and last of each run of minutes in which a sidecar wrote."""
    minutes: list[int]
    events: list[int]
    bad: list[int]


def promises(thresholds: Thresholds) -> PromisesAnswer:
    """What fleet.yaml promises."""
    return {
        "slos": [
            {
                "slo": objective.slo,
                "service": objective.service,
                "model": objective.model,
                "objective": objective.name,
                "sli": objective.sli.value,
                "threshold_seconds": None if objective.threshold_ns is None else objective.threshold_ns / SECOND,
                "target": objective.target,
                "target_ratio": float(objective.target) / 100,
                "period_seconds": objective.window_ns / SECOND,
            }
            for objective in thresholds.objectives
        ],
        "policy": [{"below": float(step.below), "do": step.do.value} for step in thresholds.policy],
    }


def counted(cursor: Cursor, objective: Objective, *, since_seconds: float, now_ns: int | None = None) -> MinutesAnswer:
    """What counted for an objective until now.

    Args:
        cursor: of the recorder.
        objective: that judges.
        since_seconds: how long ago it begins.
        now_ns: since the epoch; the recorder's last moment unless given.
    """
    now_ns = last_ns(cursor) if now_ns is None else now_ns
    since = max(now_ns - round(since_seconds * SECOND), 0) // MINUTE_NS * MINUTE_NS
    found = minutes(cursor, objective, since_ns=since)
    seen = watched(cursor, since_ns=since)
    known = [*found.minutes[:1], *found.minutes[-1:], *(minute for stretch in seen for minute in stretch)]
    return {
        "slo": objective.slo,
        "begin": min(known, default=since // MINUTE_NS),
        "end": max(known, default=since // MINUTE_NS - 1) + 1,
        "watched": seen,
        "minutes": found.minutes,
        "events": found.events,
        "bad": found.bad,
    }


def named(thresholds: Thresholds, slo: str) -> Objective:
    """The objective of that name.

    Raises:
        InferometerError: there is none.
    """
    for objective in thresholds.objectives:
        if objective.slo == slo:
            return objective
    known = ", ".join(sorted(objective.slo for objective in thresholds.objectives)) or "none"
    raise InferometerError(f"no SLO {slo!r:.64}; there are {known:.1024}")


def routes(ask: Ask, thresholds: Thresholds, wall_ns: Callable[[], int] = time.time_ns) -> list[Route]:
    """The routes of this module, for the sidecar's API.

    Args:
        ask: answers a question.
        thresholds: objectives of fleet.yaml.
        wall_ns: time since the epoch.
    """

    async def every(request: Request) -> Response:
        parameters.known(request, frozenset())
        return await ask(lambda _: promises(thresholds))

    async def by_minute(request: Request) -> Response:
        parameters.known(request, _OF_MINUTES)
        objective = _named(thresholds, request)
        seconds = parameters.number(request, "since_seconds", parameters.MAX_SECONDS)
        return await ask(lambda cursor: counted(cursor, objective, since_seconds=seconds or 0.0, now_ns=wall_ns()))

    async def what(request: Request) -> Response:
        parameters.known(request, _OF_MINUTES)
        objective = _named(thresholds, request)
        seconds = parameters.number(request, "since_seconds", parameters.MAX_SECONDS) or 0.0
        since = max(wall_ns() - round(seconds * SECOND), 0)
        return await ask(lambda cursor: what_ate(cursor, objective, since_ns=since))

    return [Route(PATH, every), Route(f"{PATH}/minutes", by_minute), Route(f"{PATH}/causes", what)]


def _named(thresholds: Thresholds, request: Request) -> Objective:
    try:
        return named(thresholds, parameters.text(request, "slo"))
    except InferometerError as error:
        raise ValueError(str(error)) from error
