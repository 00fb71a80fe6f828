"""The worker of this process: made when first asked for, made new in a forked child."""

import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Final

from inferometer.errors import StateError
from inferometer.recorder.destination import LocalIntake
from inferometer.recorder.worker import Worker
from inferometer.settings import Settings

log = logging.getLogger("inferometer")

_APPLICATION: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(\(.*\))?")
_ADDRESSES: Final = frozenset({"unix", "fd"})
"""What gunicorn and hypercorn write before the path or number of a socket."""
_MODULE_OPTION: Final = re.compile(r"-[A-Za-z]*m")


@cache
def worker() -> Worker:
    """The one worker of this process, with settings from the environment."""
    settings = Settings.from_env()
    if not settings.service_named:
        argv = [module_started(sys.orig_argv), *sys.argv[1:]] if sys.argv[:1] == ["-m"] else sys.argv
        settings = replace(settings, service=application_module(argv) or settings.service)
    made = Worker(settings, elect=partial(_elect, settings), timeout_of=_timeouts(settings.thresholds))
    os.register_at_fork(after_in_child=made.after_fork)
    return made


def _timeouts(path: Path | None) -> Callable[[str], int] | None:
    if path is None:
        return None
    from inferometer.fleet import thresholds_file  # noqa: PLC0415 - most workers are given none

    try:
        return thresholds_file.read(path).timeout_ns
    except StateError as error:
        log.warning("the services' timeouts are unknown, defaults are used instead: %s", error)
        return None


def application_module(argv: Sequence[str]) -> str:
    """The application's module, from what was started: ``gunicorn pkg.app:app`` or ``python app.py``; empty without."""
    after_option = ""
    for before, argument in pairwise(["", *argv[1:]]):
        if not _APPLICATION.fullmatch(argument):
            continue
        module = argument.partition(":")[0]
        if not before.startswith("-"):
            return module
        # It may be the option's value (--bind unix:socket), or the option has none (--preload shop.app:app).
        if module not in _ADDRESSES:
            after_option = module
    if after_option:
        return after_option
    script = Path(argv[0]) if argv else Path()
    return script.stem if script.suffix == ".py" and script.stem != "__main__" else ""


def module_started(command: Sequence[str]) -> str:
    """The file of ``python -m module``, as far as its name tells, while ``sys.argv`` does not: an interpreter starts.

    Empty for an installed package, such as a server that is given its application.
    """
    module = next((name for option, name in pairwise(command) if _MODULE_OPTION.fullmatch(option)), "")
    if not module:
        return ""
    if "." not in module and module != "__main__":
        # A top-level module can be looked for without an import; those of the current folder are not there yet.
        spec = find_spec(module)
        if spec is not None and spec.submodule_search_locations is not None:
            return ""
    return f"{module.rpartition('.')[2]}.py"


def _elect(settings: Settings, runtime_dir: Path) -> LocalIntake | None:
    from inferometer.intake import local  # noqa: PLC0415 - most processes send to somebody else's Intake

    return local.start(runtime_dir, environ={**os.environ, "INFEROMETER_METRICS": settings.metrics})
