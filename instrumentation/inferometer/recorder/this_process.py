"""The worker of this process: made when first asked for, made new in a forked child."""

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from inferometer.errors import StateError
from inferometer.fleet import thresholds
from inferometer.recorder.destination import LocalIntake
from inferometer.recorder.worker import Worker
from inferometer.settings import Settings

log = logging.getLogger("inferometer")


@cache
def worker() -> Worker:
    """The one worker of this process, with settings from the environment."""
    settings = Settings.from_env()
    if not settings.service_named:
        settings = replace(settings, service=_script() or settings.service)
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


def _script() -> str:
    """Name of the script that runs; empty for what is started by a launcher."""
    path = Path(sys.argv[0]) if sys.argv else Path()
    return path.stem if path.suffix == ".py" and path.stem != "__main__" else ""


def _elect(runtime_dir: Path) -> LocalIntake | None:
    from inferometer.intake import local  # noqa: PLC0415 - most processes send to somebody else's Intake

    return local.start(runtime_dir)
