"""``inferometer compare``: from the sidecar, or from a recorder file where none runs."""

import json
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlencode

from inferometer.errors import InferometerError
from inferometer_compose import web
from inferometer_compose.commands.console import screen
from inferometer_compose.commands.errors import FOUND_SOMETHING, WRONG_USE, say
from inferometer_compose.commands.trace import left_behind
from inferometer_compose.commands.windows import window
from inferometer_compose.screens import compare as screens
from inferometer_exporters.compare_api import parameters, two_versions
from inferometer_exporters.comparison.lines import Verdict
from inferometer_exporters.comparison.question import Question
from inferometer_exporters.recorder import queries
from inferometer_exporters.recorder.compare_answers import CompareAnswer
from inferometer_exporters.recorder.compare_query import compare
from inferometer_exporters.recorder.reading import rows

_PATIENCE_SECONDS = 120.0
"""For an answer over many millions of requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked on the command line."""

    before: str | None
    after: str | None
    versions: str | None
    within: str
    service: str
    model: str
    tenant: str
    least: float
    seed: int
    api: str
    recorder: Path | None
    all_lines: bool
    json: bool


def run(options: Options) -> int:
    """Compare and print; 1 where something is worse, 2 where there is nothing to compare.

    Raises:
        InferometerError: a window or the versions are not understood, or there is neither a sidecar nor a file.
    """
    answer = _answer(options)
    if options.json:
        sys.stdout.write(json.dumps(answer, indent=2) + "\n")
    else:
        console = screen()
        for line in screens.lines(answer, all_lines=options.all_lines):
            console.print(line, no_wrap=True, overflow="ignore", crop=False)
    if not answer["models"]:
        say(f"no service and model has requests on both sides{_narrowed(options)}")
        return WRONG_USE
    return FOUND_SOMETHING if answer["verdict"] == Verdict.WORSE else 0


def _narrowed(options: Options) -> str:
    """What a misspelt name may be behind."""
    chosen = {"--service": options.service, "--model": options.model, "--tenant": options.tenant}
    said = " ".join(f"{option} {name}" for option, name in chosen.items() if name)
    return f" with {said}; without it you see which ones have" if said else ""


def _answer(options: Options) -> CompareAnswer:
    path = options.recorder
    if path is None:
        if web.answers(f"{options.api}/healthz"):
            asked = urlencode(parameters(question(options, now_ns=time.time_ns())))
            url = f"{options.api}/api/compare?{asked}"
            return cast("CompareAnswer", web.get_json(url, timeout_seconds=_PATIENCE_SECONDS))
        path = left_behind(options.api)
    if path is None:
        raise InferometerError(
            f"no sidecar answers at {options.api}, and neither a demo in this folder nor `inferometer run` left a "
            "recorder: name a file with --recorder"
        )
    with closing(queries.opened(path)) as cursor:
        # In a recording nothing has happened since its last request: times ago count from there.
        newest = rows(cursor, "select coalesce(max(wall_ns), 0) + 1 from requests")[0][0]
        return compare(cursor, question(options, now_ns=int(newest)))


def question(options: Options, *, now_ns: int) -> Question:
    """What is asked, with all times resolved.

    Raises:
        InferometerError: a window or the versions are not understood.
    """
    versions = None
    if options.versions is not None:
        if options.before is not None or options.after is not None:
            raise InferometerError("say either two windows (--before, --after) or two versions (--versions), not both")
        try:
            versions = two_versions(options.versions)
        except ValueError as error:
            raise InferometerError(f"--{error}") from error
        before = after = window(options.within, now_ns=now_ns)
    elif options.before is None or options.after is None:
        raise InferometerError(
            "say what to compare: two windows (--before 24h..12h --after 12h..now) or two versions (--versions v1,v2)"
        )
    else:
        before, after = window(options.before, now_ns=now_ns), window(options.after, now_ns=now_ns)
        if before.overlaps(after):
            raise InferometerError(f"--before {options.before} and --after {options.after} overlap: keep them apart")
    return Question(
        before=before,
        after=after,
        versions=versions,
        service=options.service,
        model=options.model,
        tenant=options.tenant,
        least=options.least,
        seed=options.seed,
    )
