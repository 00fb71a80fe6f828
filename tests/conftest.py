"""What holds for every test."""

import gc
import os
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

# They need an environment or an engine of their own: `make test-frameworks`, `make test-servers`, `make test-stack`.
collect_ignore = ["frameworks", "servers", "stack"]

# Machines are noisy: an example that took long says nothing about the code. Speed is measured by benchmarks/.
# The inner loop (`make test-fast`) tries fewer examples of what does not say itself how many it needs.
_SLOW: Final = [HealthCheck.too_slow]
settings.register_profile("inferometer", deadline=None, max_examples=150, suppress_health_check=_SLOW)
settings.register_profile("inner", deadline=None, max_examples=15, suppress_health_check=_SLOW)
settings.load_profile("inferometer")

# Programs in Go, promtool above all, spend a quarter of their time on looking for garbage in a little memory.
os.environ.setdefault("GOGC", "400")

_HERE: Final = Path(__file__).parent
_OF_PROCESSES: Final = (
    "compose/bill",
    "compose/test_cli.py",
    "compose/test_compare_command.py",
    "compose/test_containers.py",
    "compose/test_cost_command.py",
    "compose/test_dashboards_push.py",
    "compose/test_docker_compose.py",
    "compose/test_generate_command.py",
    "compose/test_load.py",
    "compose/test_prepare.py",
    "compose/test_process.py",
    "compose/test_trace_command.py",
    "doctor",
    "engines/test_sidecar_with_engines.py",
    "exporters/gpus",
    "exporters/live",
    "exporters/receivers",
    "exporters/test_sidecar.py",
    "hooks/rpc/test_programs.py",
    "hooks/test_examples_wsgi.py",
    "hooks/test_pickling.py",
    "hooks/test_wsgi_servers.py",
    "host/test_fork_in_c.py",
    "host/test_idle_child.py",
    "host/test_pickled_app.py",
    "intake/test_cold_starts.py",
    "intake/test_local.py",
    "launchers",
    "policies",
    "recorder/test_fork.py",
    "startup",
    "tools/test_environments.py",
)
"""Tests that start servers or commands as processes, as those do that ask for the fixture `serve`: a second each,
most of it waiting for an interpreter."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of processes, which the inner loop leaves out."""
    files = {str(_HERE / name) for name in _OF_PROCESSES}
    folders = tuple(f"{name}/" for name in files)
    for item in items:
        path = str(item.path)
        if "serve" in getattr(item, "fixturenames", ()) or path in files or path.startswith(folders):
            item.add_marker(pytest.mark.processes)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Thousands of tests and all they import stay to the end: the garbage collector need not look through them.

    Neither while they are collected, nor whenever a test says `gc.collect()`.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    """What was set aside ends as ever, so that no library tells of what it believes to be lost."""
    gc.unfreeze()
