"""What the API answers about requests and their stages.

``/api/requests?since_seconds=N&until_seconds=N&n=N&after=…&service=…&model=…&version=…&tenant=…&class=…&outcome=…``
``&min_seconds=N&max_seconds=N&min_cost_usd=N&stage=…&min_share=N&device=…&batch=…&sort=newest|slowest|dearest``
    `RequestsAnswer`, newest first: those that began at most ``since_seconds`` and at least ``until_seconds`` ago, and
    ended from ``from`` until ``to`` (seconds since the epoch), of which ``stage`` took at least ``min_share`` (0-1, a
    half unless given) of the duration. ``after`` is the ``next`` of the page before.
``/api/stages?since_seconds=N&bucket_seconds=N&service=…&model=…&version=…``
    `StagesAnswer`: totals and percentiles of the stages of each model, by time.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inferometer.fleet.thresholds import PICODOLLARS
from inferometer_exporters import parameters
from inferometer_exporters.recorder.reading import SECOND, Cursor
from inferometer_exporters.recorder.request_query import Matching, matching
from inferometer_exporters.recorder.stage_query import Wanted, stages

Question = Callable[[Cursor], object]
Ask = Callable[[Question], Awaitable[Response]]
"""Asks the recorder in a thread, and answers with JSON."""
MAX_USD: Final = 1e6
_LATEST: Final = 1e9 * 9
"""So many seconds since the epoch fit 63 bits of nanoseconds."""
_NAMES: Final = ("service", "model", "version")
_OF_REQUESTS: Final = frozenset(
    {
        *("since_seconds", "until_seconds", "from", "to", "n", "after", "sort", *_NAMES, "tenant", "class"),
        *("outcome", "min_seconds", "max_seconds", "min_cost_usd", "stage", "min_share", "device", "batch"),
    }
)
_OF_STAGES: Final = frozenset({"since_seconds", "bucket_seconds", *_NAMES})


def routes(ask: Ask, wall_ns: Callable[[], int]) -> list[Route]:
    """The routes of this module, for the sidecar's API."""

    async def requests(request: Request) -> Response:
        parameters.known(request, _OF_REQUESTS)
        wanted, count = _matching(request, wall_ns()), parameters.count(request, 100)
        after = parameters.text(request, "after")
        return await ask(lambda cursor: matching(cursor, wanted, count=count, after=after))

    async def by_stage(request: Request) -> Response:
        parameters.known(request, _OF_STAGES)
        seconds = parameters.number(request, "since_seconds")
        bucket = parameters.number(request, "bucket_seconds")
        wanted = Wanted(
            since_ns=wall_ns() - round(seconds * SECOND) if seconds else None,
            bucket_ns=None if bucket is None else round(bucket * SECOND),
            **{name: parameters.text(request, name) for name in _NAMES},
        )
        return await ask(lambda cursor: stages(cursor, wanted))

    return [Route("/api/requests", requests), Route("/api/stages", by_stage)]


def _matching(request: Request, now_ns: int) -> Matching:
    share = parameters.number(request, "min_share", most=1 + 1e-9, of="a share, 0-1,")
    usd = parameters.number(request, "min_cost_usd", most=MAX_USD, of="US dollars")
    wanted = Matching(
        since_ns=_ago(request, "since_seconds", now_ns) or 0,
        until_ns=_ago(request, "until_seconds", now_ns),
        ended_from_ns=_moment(request, "from"),
        ended_until_ns=_moment(request, "to"),
        tenant=parameters.text(request, "tenant"),
        request_class=parameters.text(request, "class"),
        outcome=parameters.text(request, "outcome"),
        min_duration_ns=_ns(request, "min_seconds"),
        max_duration_ns=_ns(request, "max_seconds"),
        min_cost=None if usd is None else round(usd * PICODOLLARS),
        stage=parameters.text(request, "stage"),
        min_share=0.5 if share is None else share,
        device=parameters.text(request, "device"),
        batch=_id(request, "batch"),
        sort=parameters.text(request, "sort") or "newest",
        **{name: parameters.text(request, name) for name in _NAMES},
    )
    # What is no outcome and no stage is refused before anything is asked.
    wanted.code()
    wanted.column()
    wanted.order()
    if wanted.sort != "newest" and "after" in request.query_params:
        raise ValueError(f"after is of the newest first: sort={wanted.sort} has one page, of up to n requests")
    if share is not None and not wanted.stage:
        raise ValueError("min_share is of a stage: stage=queue, or another one, is missing")
    return wanted


def _ago(request: Request, name: str, now_ns: int) -> int | None:
    seconds = parameters.number(request, name)
    return None if not seconds else now_ns - round(seconds * SECOND)


def _moment(request: Request, name: str) -> int | None:
    found = parameters.number(request, name, most=_LATEST, of="seconds since the epoch")
    return None if found is None else round(found * SECOND)


def _id(request: Request, name: str) -> int | None:
    text = parameters.text(request, name)
    if not text:
        return None
    try:
        number = int(text, 16)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 64:
        raise ValueError(f"{name} is {text!r:.64}, up to 16 hex digits are right")
    return number


def _ns(request: Request, name: str) -> int | None:
    found = parameters.number(request, name)
    return None if found is None else round(found * SECOND)
