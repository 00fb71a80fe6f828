"""The sidecar shows the runbooks that its alerts link to: ``/runbooks/NAME.md`` beside its other pages."""

from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from inferometer_alerts import runbook_pages

PREFIX: Final = "/runbooks"
_HEADERS: Final = {
    # No script, nothing from elsewhere.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "max-age=3600",
}


def routes() -> list[BaseRoute]:
    """The list of all, and each of them."""
    return [Route(PREFIX, _index), Route(f"{PREFIX}/{{name}}", _page)]


def is_open(path: str) -> bool:
    """Whether a path may be had without a token: runbooks hold no data, and who is woken has no token at hand."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


async def _index(_: Request) -> Response:
    return HTMLResponse(runbook_pages.index(), headers=_HEADERS)


async def _page(request: Request) -> Response:
    shown = runbook_pages.page(request.path_params["name"])
    if shown is None:
        return HTMLResponse(
            "<!doctype html><title>No runbook</title>There is no runbook of this name; see <a href=/runbooks>all</a>.",
            404,
            headers=_HEADERS,
        )
    return HTMLResponse(shown, headers=_HEADERS)
