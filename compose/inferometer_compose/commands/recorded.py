"""Questions to what is recorded: the sidecar that runs answers, else the last recorder's file."""

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from http.client import BAD_REQUEST, NOT_FOUND, OK
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from inferometer.errors import InferometerError, StateError
from inferometer_compose import web
from inferometer_compose.commands.trace import left_behind
from inferometer_exporters.recorder.queries import opened
from inferometer_exporters.recorder.reading import Cursor

_PATIENCE_SECONDS = 60.0
"""For a question to a million requests on a busy machine."""


def ask(
    path: str,
    parameters: Mapping[str, str],
    question: Callable[[Cursor], object],
    *,
    api: str,
    recorder: Path | None,
) -> Any:
    """The answer of the sidecar at *api*, or of a recorder file.

    Args:
        path: of the API.
        parameters: of the query.
        question: the same, of a recorder.
        api: ``http://host:port`` of the sidecar.
        recorder: the file to ask in its stead.

    Raises:
        StateError: there is nothing yet to answer from, or the file cannot be read.
        InferometerError: a parameter is wrong, or there is neither a sidecar nor a file.
    """
    if recorder is None and web.answers(f"{api}/healthz"):
        return _from_sidecar(f"{api}{path}?{urlencode(parameters)}")
    file = recorder or left_behind(api)
    if file is None:
        raise no_recorder(api)
    with closing(opened(file)) as cursor:
        try:
            return question(cursor)
        except ValueError as error:
            raise InferometerError(str(error)) from error


def no_recorder(api: str) -> InferometerError:
    """What to say where there is neither a sidecar nor a file."""
    return InferometerError(
        f"no sidecar answers at {api}, and neither a demo in this folder nor `inferometer run` left a recorder: "
        "name a file with --recorder"
    )


def _from_sidecar(url: str) -> Any:
    answer = web.fetch(url, timeout_seconds=_PATIENCE_SECONDS)
    if answer.status in {BAD_REQUEST, NOT_FOUND} and (said := _complaint(answer.body)):
        raise StateError(said) if answer.status == NOT_FOUND else InferometerError(said)
    if answer.status != OK:
        raise InferometerError(f"{url} answered {answer.status}: {answer.body[:200].decode(errors='replace')}")
    return json.loads(answer.body)


def _complaint(body: bytes) -> str:
    """What the sidecar says is wrong; empty where it is none of ours."""
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return ""
