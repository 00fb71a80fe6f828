"""What the API answers about money.

``/api/cost?by=model,tenant&since_seconds=N``
    `CostReport` of the newest N seconds of the recording; of all of it without.
``/api/cost/focus?by=model,tenant&since_seconds=N``
    `FocusAnswer`: the same as rows by hour.
``/api/cost/idle?since_seconds=N&cold_start_seconds=N``
    `IdleReport`.
``/api/cost/rightsize?since_seconds=N&cold_start_seconds=N&anyway=1``
    `RightsizeReport`, of the newest 30 days without.

Where nothing was entered into the ledger yet, 404 and ``{"error": …}``.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from inferometer.errors import StateError
from inferometer.fleet.thresholds import Thresholds
from inferometer_exporters.recorder.reading import SECOND, Cursor

NOTHING: Final = "nothing is entered into the ledger yet: it begins with the sidecar's first second"
BY: Final = "model"
Question = Callable[[Cursor], object]
Ask = Callable[[Question], Awaitable[Response]]
"""Asks the recorder in a thread, and answers with JSON."""


def cost(by: str, since_seconds: float | None) -> Question:
    """``/api/cost``: by whom, of how many seconds.

    The question raises StateError where nothing is entered yet, ValueError where *by* is wrong.
    """

    def question(cursor: Cursor) -> object:
        from inferometer_exporters.recorder.cost_report import costs, report  # noqa: PLC0415 - for who asks alone

        found = costs(cursor, _names(by), since_ns=_ns(since_seconds))
        return _found(found and report(found))

    return question


def focus(by: str, since_seconds: float | None) -> Question:
    """``/api/cost/focus``, as `cost`."""

    def question(cursor: Cursor) -> object:
        from inferometer_exporters.recorder import cost_focus  # noqa: PLC0415 - for who asks alone
        from inferometer_exporters.recorder.cost_report import costs  # noqa: PLC0415 - the same

        found = costs(cursor, _names(by), since_ns=_ns(since_seconds))
        return _found(found and cost_focus.rows(found))

    return question


def idle(since_seconds: float | None, cold_start_seconds: float | None) -> Question:
    """``/api/cost/idle``; raises StateError as `cost` does."""

    def question(cursor: Cursor) -> object:
        from inferometer_exporters.recorder.idle_query import idle_report  # noqa: PLC0415 - for who asks alone

        return _found(idle_report(cursor, since_ns=_ns(since_seconds), cold_start_ns=_ns(cold_start_seconds)))

    return question


def rightsize(
    thresholds: Thresholds, since_seconds: float | None, cold_start_seconds: float | None, *, anyway: bool
) -> Question:
    """``/api/cost/rightsize``; raises StateError as `cost` does."""

    def question(cursor: Cursor) -> object:
        from inferometer_exporters.recorder import rightsize_report  # noqa: PLC0415 - for who asks alone

        since, cold = _ns(since_seconds) or rightsize_report.SINCE_NS, _ns(cold_start_seconds)
        return _found(
            rightsize_report.rightsize_report(cursor, thresholds, since_ns=since, cold_start_ns=cold, anyway=anyway)
        )

    return question


def _found(answer: object) -> object:
    if answer is None:
        raise StateError(NOTHING)
    return answer


def _names(by: str) -> list[str]:
    return [name.strip() for name in by.split(",")]


def _ns(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * SECOND)


def routes(ask: Ask, thresholds: Thresholds) -> list[Route]:
    """The routes of this module, for the sidecar's API.

    Args:
        ask: answers a question.
        thresholds: what fleet.yaml promises.
    """

    def route(path: str, asked: Callable[[Request], Question]) -> Route:
        async def answer(request: Request) -> Response:
            question = asked(request)
            try:
                return await ask(question)
            except StateError as error:
                return JSONResponse({"error": str(error)}, 404)

        return Route(path, answer)

    def by(request: Request) -> str:
        return request.query_params.get("by", BY)

    def since(request: Request) -> float | None:
        return _seconds(request, "since_seconds")

    def cold(request: Request) -> float | None:
        return _seconds(request, "cold_start_seconds")

    return [
        route("/api/cost", lambda request: cost(by(request), since(request))),
        route("/api/cost/focus", lambda request: focus(by(request), since(request))),
        route("/api/cost/idle", lambda request: idle(since(request), cold(request))),
        route(
            "/api/cost/rightsize",
            lambda request: rightsize(thresholds, since(request), cold(request), anyway=_anyway(request)),
        ),
    ]


def _anyway(request: Request) -> bool:
    text = request.query_params.get("anyway", "0")
    if text not in {"0", "1"}:
        raise ValueError(f"anyway is {text!r}, 0 or 1 is right")
    return text == "1"


def _seconds(request: Request, name: str) -> float | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 < number < 1e9:  # noqa: PLR2004 - thirty years
        raise ValueError(f"{name} is {text!r}, a number of seconds above 0 is right")
    return number
