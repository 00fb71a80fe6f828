"""The worker of this process: made when first asked for, made new in a forked child."""

import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

from inferometer.errors import StateError
from inferometer.fleet import thresholds
from inferometer.recorder.destination import LocalIntake
from inferometer.recorder.worker import Worker
from inferometer.settings import Settings

log = logging.getLogger("inferometer")

_APPLICATION: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(\(.*\))?")


@cache
def worker() -> Worker:
    """The one worker of this process, with settings from the environment."""
    settings = Settings.from_env()
    if not settings.service_named:
        settings = replace(settings, service=application_module(sys.argv) or settings.service)
    made = Worker(settings, elect=_elect, timeout_of=_timeouts(settings.thresholds))
    os.register_at_fork(after_in_child=made.after_fork)
    return made


def _timeouts(path: Path | None) -> Callable[[str], int] | None:
    if path is None:
        return None
    try:
        return thresholds.read(path).timeout_ns
    except StateError as error:
        log.warning("the services' timeouts are unknown, defaults are used instead: %s", error)
        return None


def application_module(argv: Sequence[str]) -> str:
    """The application's module, from what was started: ``gunicorn pkg.app:app`` or ``python app.py``; empty without."""
    for before, argument in pairwise(argv):
        # What follows an option may look the same: --bind unix:socket.
        if not before.startswith("-") and _APPLICATION.fullmatch(argument):
            return argument.partition(":")[0]
    script = Path(argv[0]) if argv else Path()
    return script.stem if script.suffix == ".py" and script.stem != "__main__" else ""


def _elect(runtime_dir: Path) -> LocalIntake | None:
    from inferometer.intake import local  # noqa: PLC0415 - most processes send to somebody else's Intake

    return local.start(runtime_dir)
