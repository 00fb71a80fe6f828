"""``inferometer trace``: from the sidecar, or from a recorder file where none runs."""

import http.client
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, cast
from urllib.parse import quote

from inferometer.errors import InferometerError, StateError
from inferometer_compose import web
from inferometer_compose.beside.folders import recorders
from inferometer_compose.commands.console import screen
from inferometer_compose.commands.errors import FOUND_SOMETHING, say
from inferometer_compose.commands.parameters import SIDECAR
from inferometer_compose.screens import waterfall
from inferometer_compose.screens.hops import trace_of
from inferometer_exporters.recorder import queries, traces
from inferometer_exporters.recorder.names import FILE_NAME
from inferometer_exporters.recorder.trace_answers import TraceAnswer

_HEX_DIGITS = 32
_LONGEST = 64
"""Of what a client or a proxy may call a request, as the SDK keeps it."""


class Source(Protocol):
    """Where traces are read from."""

    def slowest(self, count: int) -> Sequence[str]:
        """Ids of the slowest traces."""

    def trace(self, trace_id: str) -> TraceAnswer | None:
        """A trace; None where nothing is recorded of it."""


class FromSidecar:
    """A sidecar that runs.

    Args:
        address: ``http://host:port`` of its API.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def slowest(self, count: int) -> Sequence[str]:
        """Ids of the slowest traces."""
        answer = web.get_json(f"{self._address}/api/slowest?n={count}")
        return [request["trace_id"] for request in answer["requests"]]

    def trace(self, trace_id: str) -> TraceAnswer | None:
        """A trace; None where nothing is recorded of it."""
        url = f"{self._address}/api/trace/{quote(trace_id, safe='')}"
        if web.fetch(url).status in {http.client.NOT_FOUND, http.client.BAD_REQUEST}:
            return None
        return cast("TraceAnswer", web.get_json(url))


class FromFile:
    """A recorder file that no sidecar has open.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def slowest(self, count: int) -> Sequence[str]:
        """Ids of the slowest traces."""
        with closing(queries.opened(self._path)) as cursor:
            return [request["trace_id"] for request in queries.slowest(cursor, count)]

    def trace(self, trace_id: str) -> TraceAnswer | None:
        """A trace; None where nothing is recorded of it."""
        with closing(queries.opened(self._path)) as cursor:
            try:
                return traces.trace(cursor, trace_id)
            except ValueError:
                return None


def run(trace_id: str | None, *, slowest: int | None, api: str, recorder: Path | None, as_json: bool) -> int:
    """Draw one trace, or the slowest ones; 1 where nothing is recorded.

    Raises:
        InferometerError: the id is none, or there is neither a sidecar nor a file.
    """
    if trace_id is not None and not _is_id(trace_id):
        raise InferometerError(
            f"{trace_id!r} is no trace id: up to {_HEX_DIGITS} hexadecimal digits are right, "
            f"or an X-Request-ID of up to {_LONGEST} characters"
        )
    source = _source(api, recorder)
    if trace_id is not None:
        found = [answer for answer in [source.trace(trace_id) or _in_last_demo(trace_id)] if answer is not None]
    else:
        found = [answer for one in source.slowest(slowest or 1) if (answer := source.trace(one)) is not None]
    if as_json:
        _print_json(found)
    else:
        _draw(found)
    if not found:
        say(f"nothing is recorded of trace {trace_id}" if trace_id else "no request is recorded")
        return FOUND_SOMETHING
    return 0


def last_recorder(folder: Path, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The recorder file of the last demo that ran in a folder, or of the last `inferometer run` of this user."""
    files = [*folder.glob(f"demo-*/sidecar/{FILE_NAME}"), *recorders(environment)]
    return max(files, key=lambda path: path.stat().st_mtime, default=None)


def left_behind(api: str) -> Path | None:
    """The last recorder's file, asked because nobody answers at *api*; says so, since what it holds may be old.

    Raises:
        InferometerError: *api* is no address, so that nobody can have answered.
    """
    if not api.startswith(("http://", "https://")):
        raise InferometerError(f"--api is {api!r}: an http or https URL is right, such as {SIDECAR}")
    here = Path.cwd()
    if (path := last_recorder(here)) is not None:
        shown = path.relative_to(here) if path.is_relative_to(here) else path
        say(f"no sidecar answers at {api}; {shown} is what the last one left")
    return path


def _source(api: str, recorder: Path | None) -> Source:
    if recorder is not None:
        return FromFile(recorder)
    if web.answers(f"{api}/healthz"):
        return FromSidecar(api)
    if (path := left_behind(api)) is not None:
        return FromFile(path)
    raise InferometerError(
        f"no sidecar answers at {api}, and neither a demo in this folder nor `inferometer run` left a recorder: "
        "name a file with --recorder"
    )


def _in_last_demo(trace_id: str) -> TraceAnswer | None:
    """The trace in the last demo's file, for an id that who was asked first does not know."""
    if (path := last_recorder(Path.cwd())) is None:
        return None
    try:
        return FromFile(path).trace(trace_id)
    except StateError:
        # That demo's sidecar still runs, and is the only one that may open the file.
        return None


def _is_id(text: str) -> bool:
    return 0 < len(text) <= _LONGEST and text.isascii() and text.isprintable()


def _print_json(found: Sequence[TraceAnswer]) -> None:
    sys.stdout.write(json.dumps({"traces": found}, indent=2) + "\n")


def _began(answer: TraceAnswer) -> str:
    """When the first hop began, by its host's clock."""
    first = min(answer["hops"], key=lambda hop: hop["start_seconds"])
    return f"{datetime.fromtimestamp(first['wall_seconds'], UTC):%Y-%m-%d %H:%M:%S} UTC"


def _draw(found: Sequence[TraceAnswer]) -> None:
    console = screen()
    for number, answer in enumerate(found):
        if number:
            console.print()
        drawn = trace_of(answer)
        for line in (
            waterfall.heading(drawn, f"Request of {_began(answer)}"),
            *waterfall.lines(drawn, width=console.width),
        ):
            console.print(line, no_wrap=True, overflow="ignore", crop=False)
