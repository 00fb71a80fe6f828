"""What this process is called, and when its requests time out."""

import logging
import subprocess
import sys

import pytest

from inferometer.fleet.thresholds import Thresholds
from inferometer.fleet.thresholds_file import dumps
from inferometer.fleet.timeouts import DEFAULT_TIMEOUT_NS
from inferometer.recorder.this_process import application_module, module_started

SHOW = "from inferometer.recorder.this_process import worker; w = worker(); print(w.shapes.service, w.timeout_ns)"


@pytest.mark.parametrize(
    ("argv", "module"),
    [
        (["/bin/gunicorn", "shop.app:app", "-w", "4"], "shop.app"),
        (["/bin/gunicorn", "--bind", "unix:sock", "shop:make()"], "shop"),
        (["/bin/hypercorn", "--bind", "unix:sock", "-w", "4", "shop:app"], "shop"),
        (["/bin/granian", "shop:app", "--host", "::1"], "shop"),
        (["/bin/gunicorn", "--bind", "unix:sock", "--preload", "shop.app:app"], "shop.app"),
        (["/bin/gunicorn", "--bind", "unix:sock"], ""),
        (["/srv/serve.py", "--port", "80"], "serve"),
        (["/lib/uvicorn/__main__.py"], ""),
        (["-m", "shop:app"], "shop"),
        (["-c"], ""),
        ([], ""),
    ],
)
def test_the_applications_module_is_found_in_the_command(argv, module):
    assert application_module(argv) == module


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (["python", "-m", "shop.serve", "--port", "80"], "serve.py"),
        (["python", "-X", "dev", "-m", "shop_of_the_current_folder"], "shop_of_the_current_folder.py"),
        (["python", "-m", "uvicorn", "shop:app"], ""),
        (["python", "-Im", "uvicorn", "shop:app"], ""),
        (["python", "-m"], ""),
        (["python"], ""),
    ],
)
def test_a_module_that_is_started_is_known_before_it_runs(command, file):
    assert module_started(command) == file


def shown(**environment):
    return subprocess.run(
        [sys.executable, "-c", SHOW], env=environment, check=True, capture_output=True, text=True
    ).stdout.split()


@pytest.mark.processes
def test_a_services_timeout_comes_from_the_thresholds(tmp_path):
    path = tmp_path / "thresholds.json"
    path.write_text(dumps(Thresholds(timeouts_ns={"embedder": 5 * 10**9})))
    environment = {"INFEROMETER_THRESHOLDS": str(path)}

    assert shown(OTEL_SERVICE_NAME="embedder", **environment) == ["embedder", str(5 * 10**9)]
    assert shown(OTEL_SERVICE_NAME="other", **environment) == ["other", str(DEFAULT_TIMEOUT_NS)]


@pytest.mark.processes
def test_thresholds_that_cannot_be_read_are_a_warning(tmp_path):
    path = tmp_path / "thresholds.json"
    path.write_text("{")
    ended = subprocess.run(
        [sys.executable, "-c", SHOW],
        env={"INFEROMETER_THRESHOLDS": str(path)},
        check=True,
        capture_output=True,
        text=True,
    )

    assert ended.stdout.split() == ["app", str(DEFAULT_TIMEOUT_NS)]
    assert "the services' timeouts are unknown" in ended.stderr
    assert logging.getLogger("inferometer").handlers == []
