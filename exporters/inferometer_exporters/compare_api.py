"""What the API answers about differences.

``/api/compare?before=BEGIN..END&after=BEGIN..END&service=…&model=…&tenant=…&least=0.05&seed=N&stages=all|mean``
    `CompareAnswer` of two windows, in seconds since the epoch; ``stages=mean``: of stages the means alone, which is
    four times as quick.
``/api/compare?versions=v1,v2&within=BEGIN..END&…``
    The same of two versions in one window.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from math import isfinite
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inferometer_exporters.comparison.question import LEAST, Question, Window
from inferometer_exporters.recorder.reading import SECOND, Cursor

Ask = Callable[[Callable[[Cursor], object]], Awaitable[Response]]
"""Asks the recorder in a thread, and answers with JSON."""
_WINDOW: Final = re.compile(r"([0-9]{1,10}(?:\.[0-9]*)?)\.\.([0-9]{1,10}(?:\.[0-9]*)?)", re.ASCII)
_LATEST_NS: Final = 2**63 - 1
_VERSIONS: Final = 2
_ALL, _MEAN = "all", "mean"
_LARGEST_SEED: Final = 2**32


def parameters(question: Question) -> dict[str, str]:
    """The parameters that ask this question."""
    asked = {"least": repr(question.least), "seed": str(question.seed)}
    named = {"service": question.service, "model": question.model, "tenant": question.tenant}
    asked |= {name: value for name, value in named.items() if value}
    asked |= {} if question.stage_percentiles else {"stages": _MEAN}
    if question.versions is None:
        return asked | {"before": _text(question.before), "after": _text(question.after)}
    return asked | {"versions": ",".join(question.versions), "within": _text(question.before)}


def asked(parameters: Mapping[str, str]) -> Question:
    """The question that parameters ask.

    Raises:
        ValueError: one of them is wrong or missing; the message says what is right.
    """
    versions = None
    if "versions" in parameters:
        versions = two_versions(parameters["versions"])
        before = after = _window(parameters, "within")
    else:
        before, after = _window(parameters, "before"), _window(parameters, "after")
        if before.overlaps(after):
            raise ValueError("before and after overlap: two windows apart are right")
    return Question(
        before=before,
        after=after,
        versions=versions,
        service=parameters.get("service", ""),
        model=parameters.get("model", ""),
        tenant=parameters.get("tenant", ""),
        stage_percentiles=_stage_percentiles(parameters.get("stages", _ALL)),
        least=_least(parameters.get("least", repr(LEAST))),
        seed=_seed(parameters.get("seed", "0")),
    )


def two_versions(text: str) -> tuple[str, str]:
    """The old and the new one of ``v1,v2``.

    Raises:
        ValueError: they are not two, or not different.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != _VERSIONS or not all(parts) or parts[0] == parts[1]:
        raise ValueError(f"versions is {text!r}, two different ones are right: v1,v2")
    return parts[0], parts[1]


def routes(ask: Ask) -> list[Route]:
    """The routes of this module, for the sidecar's API."""

    async def answer(request: Request) -> Response:
        question = asked(request.query_params)

        def compared(cursor: Cursor) -> object:
            from inferometer_exporters.recorder.compare_query import compare  # noqa: PLC0415 - for who asks alone

            return compare(cursor, question)

        return await ask(compared)

    return [Route("/api/compare", answer)]


def _text(window: Window) -> str:
    return "..".join(f"{ns // SECOND}.{ns % SECOND:09d}" for ns in (window.begin_ns, window.end_ns))


def _window(parameters: Mapping[str, str], name: str) -> Window:
    text = parameters.get(name, "")
    found = _WINDOW.fullmatch(text)
    # Decimal: ns since the epoch do not fit a float.
    begin, end = (int(Decimal(seconds) * SECOND) for seconds in found.groups()) if found else (0, 0)
    if not begin < end <= _LATEST_NS:
        raise ValueError(f"{name} is {text!r}, BEGIN..END in seconds since the epoch is right")
    return Window(begin, end)


def _least(text: str) -> float:
    try:
        least = float(text)
    except ValueError:
        least = -1.0
    if not isfinite(least) or not 0 <= least <= 1:
        raise ValueError(f"least is {text!r}, a relative difference from 0 to 1 is right: 0.05")
    return least


def _stage_percentiles(text: str) -> bool:
    if text not in {_ALL, _MEAN}:
        raise ValueError(f"stages is {text!r}, {_ALL} or {_MEAN} is right")
    return text == _ALL


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= _LARGEST_SEED:
        raise ValueError(f"seed is {text!r}, a whole number below {_LARGEST_SEED} is right")
    return int(text)
