"""Switching recording on: by the one line, by a variable without a code change, by ``opentelemetry-instrument``.

However often and in whichever order they come, the hooks are installed once. ``INFEROMETER_ENABLED=0`` wins over all.
"""

import logging
from dataclasses import replace

from inferometer.hooks.registry import install
from inferometer.recorder.this_process import worker
from inferometer.recorder.worker import Worker

log = logging.getLogger("inferometer")


def on() -> None:
    """Record from now on, unless ``INFEROMETER_ENABLED`` says no."""
    try:
        here = worker()
        if here.settings.enabled is not False:
            if here.settings.nvtx:
                _show_ranges(here)
            install(here)
    except Exception as error:
        log.warning("nothing is recorded, inferometer could not be installed: %s", error, exc_info=error)


def _show_ranges(here: Worker) -> None:
    from inferometer.recorder import nvtx  # noqa: PLC0415 - for those who ask for it

    try:
        nvtx.install(here)
    except Exception as error:  # noqa: BLE001 - the edge: Nsight shows less, all else works
        here.hooks.failed(nvtx.HOOK, error)


def at_startup() -> None:
    """Record if ``INFEROMETER_ENABLED`` says so; what ``inferometer.pth`` calls when an interpreter starts."""
    try:
        wanted = worker().settings.enabled
    except Exception as error:
        log.warning("nothing is recorded, inferometer could not be installed: %s", error, exc_info=error)
        return
    if wanted:
        on()


def off() -> None:
    """Send nothing from this process, whatever was switched on: its servers are not what is watched."""
    here = worker()
    here.settings = replace(here.settings, enabled=False)
