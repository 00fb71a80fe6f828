"""The sidecar's HTTP API: what the recorder knows, by parameters only, on loopback.

``/healthz``
    200 ``{"status": "ok"}``, or 503 where passes of the Intake do not come.
``/api/summary?since_seconds=N``
    `SummaryAnswer` of the last N seconds; all that is recorded without it.
``/api/slowest?n=N&since_seconds=N``
    ``{"requests": [RequestAnswer, …]}``, slowest first.
``/api/requests?…``, ``/api/stages?…``
    `request_api`.
``/api/trace/{id}``
    `TraceAnswer`; 404 where nothing is recorded of it.
``/api/compare?…``
    `compare_api`.
``/api/cost…``
    Money: `inferometer_exporters.cost_api`.
``/api/ledger/days``
    `inferometer_exporters.ledger_api`.
``/api/slo…``
    Objectives: `slo_api`.
``/api/export/{table}``
    `export_api`: Parquet.

The pages that people open are not here: the composition root gives them (`live`).
A wrong parameter is answered with 400 and ``{"error": …}``, what takes longer than `QUESTION_SECONDS` with 503.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import duckdb
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from inferometer.fleet.thresholds import Thresholds
from inferometer_exporters import compare_api, cost_api, export_api, ledger_api, parameters, request_api, slo_api
from inferometer_exporters.live import NO_PAGES, LiveRecorder, Pages
from inferometer_exporters.pulse import Pulse
from inferometer_exporters.recorder import queries
from inferometer_exporters.recorder.deadline import LateError, deadline
from inferometer_exporters.recorder.levels import Levels
from inferometer_exporters.recorder.room import Room
from inferometer_exporters.recorder.traces import trace

QUESTION_SECONDS: Final = 30.0
"""Longest time for one answer."""
AT_ONCE: Final = 2
"""Questions that are answered at the same time; others wait."""
_SECOND: Final = 10**9
_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class Api:
    """Answers from a recorder that another thread writes.

    Args:
        cursor: opens a connection for one answer.
        thresholds: objectives of fleet.yaml.
        healthy: whether the Intake works.
        wall_ns: time since the epoch.
        seconds: for one answer; what takes longer is answered with 503.
        pulse: beats when a pass is shown.
        levels: sums of minutes, where somebody keeps them.
        pages: what people open.
    """

    def __init__(
        self,
        cursor: Callable[[], duckdb.DuckDBPyConnection],
        thresholds: Thresholds,
        *,
        healthy: Callable[[], bool],
        wall_ns: Callable[[], int] = time.time_ns,
        seconds: float = QUESTION_SECONDS,
        pulse: Pulse | None = None,
        levels: Levels | None = None,
        pages: Pages = NO_PAGES,
    ) -> None:
        self._cursor = cursor
        self._thresholds = thresholds
        self._healthy = healthy
        self._wall_ns = wall_ns
        self._seconds = seconds
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._room = Room()
        self._pages = pages
        self._live = LiveRecorder(self._asked, pulse or Pulse(), thresholds, levels or Levels(thresholds), wall_ns)

    def app(self) -> Starlette:
        """The application."""
        return Starlette(
            routes=[
                Route("/healthz", self._health),
                Route("/api/summary", self._summary),
                Route("/api/slowest", self._slowest),
                Route("/api/trace/{trace_id}", self._trace),
                *compare_api.routes(self._answer),
                *cost_api.routes(self._answer, self._thresholds),
                *ledger_api.routes(self._answer),
                *request_api.routes(self._answer, self._wall_ns),
                *slo_api.routes(self._answer, self._thresholds, self._wall_ns),
                *export_api.routes(self._asked, self._wall_ns),
                *self._pages.routes(self._live),
            ],
            exception_handlers={ValueError: _refused, LateError: _late},
        )

    async def _health(self, _: Request) -> Response:
        well = self._healthy()
        return JSONResponse({"status": "ok" if well else "not ready"}, 200 if well else 503, headers=_HEADERS)

    async def _answer(self, question: Callable[[duckdb.DuckDBPyConnection], object]) -> Response:
        return JSONResponse(await self._asked(question), headers=_HEADERS)

    async def _asked(
        self, question: Callable[[duckdb.DuckDBPyConnection], object], seconds: float | None = None
    ) -> object:
        # Those who wait hold no memory of the recorder's; together they would need more than there is.
        async with self._at_once:
            return await run_in_threadpool(self._ask, question, self._seconds if seconds is None else seconds)

    def _ask(self, question: Callable[[duckdb.DuckDBPyConnection], object], seconds: float) -> object:
        cursor = self._cursor()
        try:
            with deadline(cursor, seconds):
                return self._room.ask(cursor, question)
        finally:
            cursor.close()

    def _since(self, request: Request) -> int:
        seconds = parameters.number(request, "since_seconds")
        return self._wall_ns() - int(seconds * _SECOND) if seconds else 0

    async def _summary(self, request: Request) -> Response:
        since = self._since(request)
        return await self._answer(lambda cursor: queries.summary(cursor, self._thresholds, since_ns=since))

    async def _slowest(self, request: Request) -> Response:
        since, count = self._since(request), parameters.count(request, 10)
        return await self._answer(lambda cursor: {"requests": queries.slowest(cursor, count, since_ns=since)})

    async def _trace(self, request: Request) -> Response:
        trace_id: str = request.path_params["trace_id"]
        found = await self._asked(lambda cursor: trace(cursor, trace_id))
        if found is None:
            return JSONResponse({"error": f"nothing is recorded of trace {trace_id}"}, 404, headers=_HEADERS)
        return JSONResponse(found, headers=_HEADERS)


async def _refused(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400, headers=_HEADERS)


async def _late(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 503, headers=_HEADERS)
