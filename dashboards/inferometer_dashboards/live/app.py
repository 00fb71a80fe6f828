"""The routes of the live page, for the server of whoever has a flight recorder.

``/``, ``/model``, ``/requests``, ``/trace/{id}``, ``/slo``, ``/cost``, ``/compare``
    One document; its script reads the address and asks for the rest. It holds no data.
``/static/{name}``
    Its script, style and icon.
``/live/views``
    The views and the names that can be chosen.
``/live/view/{key}?since_seconds=N|from=S&to=S&step_seconds=N&service=…&model=…&version=…&tenant=…``
    A view's panels with their data.
``/live/events``
    Server-sent events: one for each pass of the Intake that changed something.
"""

from collections.abc import AsyncIterator, Mapping
from importlib.resources import files
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from inferometer_dashboards.live import ranges, sparklines
from inferometer_dashboards.live.answers import panel_answer
from inferometer_dashboards.live.headers import DATA, DOCUMENT, STATIC
from inferometer_dashboards.live.source import Recorder
from inferometer_dashboards.live.views import View, views

SHELLS: Final = ("/", "/model", "/requests", "/slo", "/cost", "/compare", "/trace/{trace_id}")
"""Addresses of the document."""
CHOSEN: Final = ("service", "model", "version", "tenant")
MAX_TEXT: Final = 1_024
QUIET_SECONDS: Final = 15.0
"""Without news a comment is sent, so that both sides know that the other is there."""
_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


def routes(recorder: Recorder) -> list[BaseRoute]:
    """The page over a recorder."""
    page = _Page(recorder)
    return [
        *(Route(path, page.document) for path in SHELLS),
        Route("/static/{name}", page.static),
        Route("/favicon.ico", page.icon),
        Route("/live/views", page.menu),
        Route("/live/view/{key}", page.view),
        Route("/live/events", page.events),
    ]


def is_open(path: str) -> bool:
    """Whether a path may be had without a token: it holds no data."""
    return path in SHELLS or path == "/favicon.ico" or path.startswith(("/static/", "/trace/"))


class _Page:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._views = {view.key: view for view in views()}
        folder = files("inferometer_dashboards.live") / "static"
        self._files = {item.name: item.read_bytes() for item in folder.iterdir() if item.is_file()}

    async def document(self, _: Request) -> Response:
        return Response(self._files["index.html"], media_type="text/html; charset=utf-8", headers=DOCUMENT)

    async def static(self, request: Request) -> Response:
        name: str = request.path_params["name"]
        kind = next((kind for end, kind in _TYPES.items() if name.endswith(end)), None)
        if kind is None or name not in self._files:
            return Response("no such file\n", 404, media_type="text/plain; charset=utf-8", headers=STATIC)
        return Response(self._files[name], media_type=kind, headers=STATIC)

    async def icon(self, _: Request) -> Response:
        return Response(self._files["icon.svg"], media_type=_TYPES[".svg"], headers=STATIC)

    async def menu(self, _: Request) -> Response:
        named, oldest = await self._recorder.choices(), await self._recorder.oldest_ns()
        return JSONResponse(
            {
                "views": [{"key": v.key, "title": v.title, "question": v.question} for v in self._views.values()],
                "choices": [{"service": s or "", "model": m or "", "version": v or ""} for s, m, v in named],
                "first_seconds": None if oldest is None else oldest / ranges.SECOND,
                "now_seconds": self._recorder.now_ns() / ranges.SECOND,
            },
            headers=DATA,
        )

    async def view(self, request: Request) -> Response:
        view = self._views.get(request.path_params["key"])
        if view is None:
            return JSONResponse({"error": f"no such view; there are {', '.join(self._views)}"}, 404, headers=DATA)
        try:
            shown, chosen = await self._range(request.query_params), _chosen(request.query_params)
            if view.of_one_model and not chosen["model"]:
                chosen |= await self._busiest(chosen["service"])
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400, headers=DATA)
        return JSONResponse(await self._answer(view, shown, chosen), headers=DATA)

    async def _range(self, parameters: Mapping[str, str]) -> ranges.Range:
        shown = ranges.asked(parameters, self._recorder.now_ns())
        if (
            "step_seconds" not in parameters
            and shown.coarser() != shown
            and await self._recorder.count(shown.since_ns, shown.until_ns) > ranges.BUSY
        ):
            return shown.coarser()
        return shown

    async def _busiest(self, service: str) -> dict[str, str]:
        """The model to begin with, of a service or of all."""
        for named, model, _ in await self._recorder.choices():
            if service in {"", named}:
                return {"service": named or "", "model": model or ""}
        return {}

    async def _answer(self, view: View, shown: ranges.Range, chosen: Mapping[str, str]) -> dict[str, Any]:
        statements = {panel.key: panel.sql for panel in view.panels if panel.sql is not None}
        if view.sparklines:
            statements[sparklines.NAME] = sparklines.STATEMENT
        found = await self._recorder.tables(
            statements, since_ns=shown.since_ns, until_ns=shown.until_ns, step_ns=shown.step_ns, chosen=chosen
        )
        answer = {
            "key": view.key,
            "chosen": dict(chosen),
            "title": view.title,
            "question": view.question,
            "since_seconds": shown.since_ns / ranges.SECOND,
            "until_seconds": shown.until_ns / ranges.SECOND,
            "step_seconds": shown.step_ns / ranges.SECOND,
            "panels": [panel_answer(panel, found[panel.key], shown) for panel in view.panels if panel.key in found],
        }
        if view.sparklines:
            answer[sparklines.NAME] = sparklines.sparklines(found[sparklines.NAME], shown)
        return answer

    async def events(self, request: Request) -> Response:
        return StreamingResponse(self._told(request), media_type="text/event-stream", headers=DATA)

    async def _told(self, request: Request) -> AsyncIterator[str]:
        number = 0
        while not await request.is_disconnected():
            newest = await self._recorder.passed(number, QUIET_SECONDS)
            if newest is None:
                yield ": quiet\n\n"
            else:
                number = newest
                yield f"event: pass\ndata: {number}\n\n"


def _chosen(parameters: Mapping[str, str]) -> dict[str, str]:
    found = {name: parameters.get(name, "") for name in CHOSEN}
    for name, text in found.items():
        if len(text) > MAX_TEXT or not text.isprintable():
            raise ValueError(f"{name} is {text!r:.64}, up to {MAX_TEXT} printable characters are right")
    return found
