"""What holds for every test."""

import gc
import os
from collections.abc import Generator
from functools import cache
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


_OF_PEERS: Final = ("peers",)
"""Tests that start a real Prometheus or the like. Here and there others do, too, and say so themselves."""
_LONGEST: Final = (
    "peers/test_large_fleet.py",
    "tools/test_mutants.py",
    "peers/test_objectives.py",
    "peers/test_rules.py",
    "exporters/comparison/test_verdicts.py",
    "peers/test_backtest.py",
)
"""Files of a minute and more. Whichever of them began last would have a worker to itself while the others are done."""


@cache
def _marks(path: Path) -> frozenset[str]:
    """What all tests of a file or folder are marked with by where they are."""
    within = {path, *path.parents}
    places = {"processes": _OF_PROCESSES, "peers": _OF_PEERS}
    return frozenset(mark for mark, names in places.items() if not within.isdisjoint(_HERE / name for name in names))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files of which `-m` leaves out every test need not be imported, in each worker anew."""
    expression = str(config.option.markexpr)
    left_out = () if "(" in expression else expression.split(" and ")
    return any(f"not {mark}" in left_out for mark in _marks(collection_path)) or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of processes and of peers, which the inner loop leaves out; what takes longest begins first."""
    order = {_HERE / name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))
    for item in items:
        for mark in _marks(item.path):
            item.add_marker(mark)
        if "serve" in getattr(item, "fixturenames", ()):
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


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """What was set aside ends as ever, so that no library tells of what it believes to be lost.

    After pytest's own last looks for garbage, which need not go through it.
    """
    gc.unfreeze()
