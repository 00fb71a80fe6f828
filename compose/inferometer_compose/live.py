"""What people open in a browser at the sidecar: the live page, over its flight recorder, and the runbooks."""

from collections.abc import Sequence
from typing import Final

from starlette.routing import BaseRoute

from inferometer_compose import runbooks
from inferometer_dashboards.live import app
from inferometer_exporters.live import LiveRecorder, Pages


def _routes(recorder: LiveRecorder) -> Sequence[BaseRoute]:
    return (*app.routes(recorder), *runbooks.routes())


def _is_open(path: str) -> bool:
    return app.is_open(path) or runbooks.is_open(path)


PAGES: Final = Pages(_routes, _is_open)
"""The live page and the runbooks."""
