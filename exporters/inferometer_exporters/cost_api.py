"""What the API answers about money.

``/api/cost?by=model,tenant&since_seconds=N``
    `CostReport` of the newest N seconds of the recording; of all of it without.
``/api/cost/focus?by=model,tenant&since_seconds=N``
    `FocusAnswer`: the same as rows by hour.

Where nothing was entered into the ledger yet, 404 and ``{"error": …}``.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from inferometer.errors import StateError
from inferometer_exporters.recorder import cost_focus
from inferometer_exporters.recorder.cost_report import costs, report
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
        found = costs(cursor, _names(by), since_ns=_ns(since_seconds))
        if found is None:
            raise StateError(NOTHING)
        return report(found)

    return question


def focus(by: str, since_seconds: float | None) -> Question:
    """``/api/cost/focus``, as `cost`."""

    def question(cursor: Cursor) -> object:
        found = costs(cursor, _names(by), since_ns=_ns(since_seconds))
        if found is None:
            raise StateError(NOTHING)
        return cost_focus.rows(found)

    return question


def _names(by: str) -> list[str]:
    return [name.strip() for name in by.split(",")]


def _ns(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * SECOND)


def routes(ask: Ask) -> list[Route]:
    """The routes of this module, for the sidecar's API."""

    def route(path: str, make: Callable[[str, float | None], Question]) -> Route:
        async def answer(request: Request) -> Response:
            question = make(request.query_params.get("by", BY), _seconds(request))
            try:
                return await ask(question)
            except StateError as error:
                return JSONResponse({"error": str(error)}, 404)

        return Route(path, answer)

    return [route("/api/cost", cost), route("/api/cost/focus", focus)]


def _seconds(request: Request) -> float | None:
    text = request.query_params.get("since_seconds")
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 < number < 1e9:  # noqa: PLR2004 - thirty years
        raise ValueError(f"since_seconds is {text!r}, a number of seconds above 0 is right")
    return number
