"""The sidecar steps back, and never forward."""

import os
import subprocess
import sys

import psutil
import pytest

BEGUN = os.nice(0)
SHOW = "import os; from inferometer_exporters.niceness import step_back; {}; print(os.nice(0))"


def shown(code):
    done = subprocess.run([sys.executable, "-c", SHOW.format(code)], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.parametrize(
    ("code", "niceness"),
    [
        ("step_back()", 10),
        ("step_back(3)", 3),
        ("step_back(0)", 0),
        ("os.nice(12); step_back()", min(BEGUN + 12, 19)),
        ("step_back(19); step_back(5)", 19),
    ],
)
def test_it_is_at_least_what_was_asked_for(code, niceness):
    assert shown(code) == max(BEGUN, niceness)


@pytest.mark.processes
def test_a_sidecar_has_stepped_back_before_it_answers(tmp_path):
    command = [
        sys.executable, "-m", "inferometer_compose", "sidecar", "--socket", str(tmp_path / "socket"),
        "--state", str(tmp_path / "state"), "--metrics", "127.0.0.1:0", "--api", "127.0.0.1:0", "--otlp-grpc", "off",
        "--otlp-http", "off",
    ]  # fmt: skip
    environ = {**os.environ, "INFEROMETER_SIDECAR_NICE": "7"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as sidecar:
        try:
            assert sidecar.stdout.readline(), "it says where it listens"
            threads = [os.getpriority(os.PRIO_PROCESS, thread.id) for thread in psutil.Process(sidecar.pid).threads()]
        finally:
            sidecar.terminate()

    assert set(threads) == {max(BEGUN, 7)}
