"""The sidecar of `inferometer run`: what is said where it cannot start, does not stay, or is killed."""

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest
from run_command import python

from inferometer_compose.beside.sidecar import MAX_RESTARTS, Place, Sidecar

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.mark.parametrize("strict", [False, True], ids=["as usual", "strict"])
def test_without_a_sidecar_the_command_runs_unless_that_is_asked_for(run, strict):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = ["--strict"] if strict else []
        command = run(*options, "--api", f"127.0.0.1:{port}", *python("import os; print('ran', os.environ)"))
        status = command.wait()

    assert f"cannot serve the API on 127.0.0.1:{port}" in command.err()
    assert "Traceback" not in command.err()
    if strict:
        assert (status, command.out()) == (2, "")
    else:
        assert status == 0
        assert "'INFEROMETER_ENABLED': '1'" in command.out()
        assert "INFEROMETER_SIDECAR" not in command.out()


def test_a_state_folder_that_cannot_be_made_does_not_keep_the_command_from_running(run, tmp_path):
    (tmp_path / "file").write_text("")
    command = run(*python("print('ran')"), XDG_STATE_HOME=str(tmp_path / "file"))

    assert command.wait() == 0
    assert command.out() == "ran\n"
    assert "cannot make the folder" in command.err()


def test_a_killed_sidecar_comes_back_and_nothing_is_lost(serve):
    server = serve()
    for _ in range(10):
        assert server.ask()
    killed = server.sidecar()
    os.kill(killed, signal.SIGKILL)
    for _ in range(10):
        assert server.ask()
    server.until(lambda: server.sidecar() not in {None, killed} and server.sends())
    for _ in range(10):
        assert server.ask()
    server.process.terminate()
    server.wait()

    assert "31 requests recorded" in server.err()


class Mortal(Place):
    """A sidecar that ends soon after it is ready."""

    def arguments(self):
        said = "metrics http://127.0.0.1:1/metrics\\napi http://127.0.0.1:2"
        return [sys.executable, "-c", f"import time; print('{said}', flush=True); time.sleep(0.2)"]


def test_a_sidecar_that_does_not_stay_is_given_up_once(tmp_path):
    clock = [0.0]
    place = Mortal(
        socket=tmp_path / "s", state=tmp_path, log=tmp_path / "log", metrics="127.0.0.1:0", api="127.0.0.1:0"
    )
    sidecar = Sidecar(place, os.environ, now=lambda: clock[0])
    sidecar.start(lambda: None)
    answers = []
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and (not answers or answers[-1]):
        answers.append(sidecar.keep_up())
        clock[0] += 0.3
        time.sleep(0.02)

    assert (sidecar.place.metrics, sidecar.place.api) == ("127.0.0.1:1", "127.0.0.1:2")
    assert sidecar.restarts == MAX_RESTARTS
    assert answers.count(False) == 1
    assert sidecar.keep_up() is True
    assert sidecar.end() is None


def test_the_sidecar_does_not_outlive_us_when_we_are_killed(run):
    command = run(*python("import time; print('ready', flush=True); time.sleep(10)"))
    command.said("ready")
    sidecar = command.sidecar()
    assert sidecar is not None
    command.process.kill()
    command.wait()

    command.until(lambda: not Path(f"/proc/{sidecar}").exists())


def test_the_fleet_file_reaches_sidecar_and_command(run):
    command = run("--config", "examples/fleet.yaml", *python("import os; print(os.environ['INFEROMETER_THRESHOLDS'])"))

    assert command.wait() == 0
    assert json.loads(Path(command.out().strip()).read_text())["fleet"] == "demo"


def test_a_wrong_fleet_file_is_wrong_use(run, tmp_path):
    (tmp_path / "fleet.yaml").write_text("version: 2\n")
    command = run("--config", str(tmp_path / "fleet.yaml"), *python("print('ran')"))

    assert command.wait() == 2
    assert command.out() == ""
    assert "fleet.yaml:1" in command.err()
