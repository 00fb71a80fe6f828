"""`inferometer run`: the command behaves as without us, and everything that it served is recorded."""

import contextlib
import http.client
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from free_ports import free_port

from inferometer.catalog import telemetry
from inferometer_compose.beside import folders
from inferometer_compose.beside.command import is_ours_to_pass_on
from inferometer_compose.beside.sidecar import MAX_RESTARTS, Place, Sidecar
from inferometer_exporters.recorder import queries
from inferometer_exporters.recorder.names import FILE_NAME

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
RUN = (sys.executable, "-m", "inferometer_compose", "run")
BODY = json.dumps({"numbers": [1, 2, 3]})


@dataclass
class Started:
    """`inferometer run` and what it writes."""

    process: subprocess.Popen
    folder: Path
    port: int = 0
    pids: list[int] = field(default_factory=list)

    def err(self):
        return (self.folder / "err").read_text()

    def out(self):
        return (self.folder / "out").read_text()

    def until(self, condition, seconds=40.0):
        """The first answer of *condition* that is one; nobody listens yet is none."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if answer := condition():
                    return answer
            assert time.monotonic() < deadline, self.err() + self.out()
            time.sleep(0.02)

    def ask(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", "/predict", BODY, {"content-type": "application/json"})
            return connection.getresponse().status == 200
        finally:
            connection.close()

    def said(self, text):
        self.until(lambda: text in self.out() + self.err())

    def wait(self):
        return self.process.wait(40)

    def recorder(self):
        (path,) = folders.recorders({"XDG_STATE_HOME": str(self.folder)})
        return path

    def sends(self):
        """Whether a worker has sent a frame to the sidecar that answers now."""
        page = re.search(r"sidecar on (http://\S+/metrics)", self.err())[1]
        with urllib.request.urlopen(page, timeout=10) as answer:
            return re.search(rf"^{telemetry.WORKERS.name}{{.*}} 1$", answer.read().decode(), re.MULTILINE)

    def sidecar(self):
        """Process id of the sidecar."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for pid in map(int, children.read_text().split()):
            if b"--with-stdin" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return pid
        return None


@pytest.fixture
def run(tmp_path):
    started = []

    def start(*arguments, stdin=subprocess.DEVNULL, group=False, **environment):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("INFEROMETER_", "OTEL_"))}
        options = ["--metrics", "127.0.0.1:0", "--api", "127.0.0.1:0"] if "--" in arguments else []
        with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
            process = subprocess.Popen(
                [*RUN, *options, *arguments], stdin=stdin, stdout=out, stderr=err, cwd=ROOT, start_new_session=group,
                env={**clean, "XDG_STATE_HOME": str(tmp_path), **environment},
            )  # fmt: skip
        started.append(Started(process, tmp_path))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.terminate()
            try:
                one.process.wait(10)
            except subprocess.TimeoutExpired:
                one.process.kill()
                one.process.wait()


@pytest.fixture
def serve(run):
    def start(*options, **environment):
        port = free_port()
        command = ["-m", "uvicorn", "examples.fastapi_app:app", "--port", str(port), "--log-level", "warning"]
        served = run("--", sys.executable, *command, *options, **environment)
        served.port = port
        served.until(served.ask)
        return served

    return start


def python(code):
    return "--", sys.executable, "-c", code


def test_a_server_is_recorded_without_a_code_change_and_the_last_line_says_how_to_look(serve):
    server = serve()
    for _ in range(20):
        assert server.ask()
    server.process.terminate()
    status = server.wait()
    first, second, *_, last = [line for line in server.err().splitlines() if line.startswith("inferometer:")]

    assert status in {0, 128 + signal.SIGTERM}
    assert "sidecar on http://127.0.0.1:" in first
    assert second.startswith("inferometer: hooks for starlette, fastapi, uvicorn, ")
    assert f"21 requests recorded · inferometer trace --slowest 5 --recorder {server.recorder()}" in last
    with contextlib.closing(queries.opened(server.recorder())) as cursor:
        (slowest,) = queries.slowest(cursor, 1)
    assert (slowest["route"], slowest["service"]) == ("/predict", "examples.fastapi_app")


def test_all_workers_of_a_server_are_recorded(serve):
    server = serve("--workers", "2")
    for _ in range(30):
        assert server.ask()
    server.process.terminate()
    server.wait()

    assert "31 requests recorded" in server.err()


def test_ctrl_c_reaches_the_command_once_and_not_the_sidecar(tmp_path):
    """On a terminal the whole foreground group gets SIGINT; a second one would make a server drop its requests."""
    code = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGINT, lambda *_: os.write(1, b'interrupted '))\n"
        "os.write(1, b'ready ')\n"
        "[time.sleep(0.05) for _ in range(30)]; sys.exit(7)"
    )
    ours, theirs = pty.openpty()
    command = [*RUN, "--metrics", "127.0.0.1:0", "--api", "127.0.0.1:0", *python(code)]
    shell = (
        "import fcntl, os, signal, sys, termios\n"
        "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", shell, *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
    )
    os.close(theirs)
    seen = b""
    while b"ready" not in seen:
        seen += os.read(ours, 4096)
    os.write(ours, b"\x03")
    with contextlib.suppress(OSError):
        while more := os.read(ours, 4096):
            seen += more
    os.close(ours)

    assert process.wait(20) == 7
    assert seen.count(b"interrupted") == 1
    assert b"no request was recorded" in seen


@pytest.mark.parametrize(
    ("number", "code", "ours"),
    [(signal.SIGINT, 0, True), (signal.SIGTERM, -6, True), (signal.SIGINT, 0x80, False), (signal.SIGCHLD, 1, False)],
    ids=["kill", "tgkill", "the terminal", "a child that ended"],
)
def test_only_what_was_sent_to_us_alone_is_passed_on(number, code, ours):
    fields = [number, code, *[0] * 5]

    assert is_ours_to_pass_on(signal.struct_siginfo(fields)) is ours


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH"])
def test_a_signal_that_we_are_sent_is_passed_on(run, name):
    code = (
        "import signal, sys, time\n"
        f"signal.signal(signal.{name}, lambda *_: sys.exit(42))\n"
        "print('ready', flush=True); time.sleep(30)"
    )
    command = run(*python(code))
    command.said("ready")
    command.process.send_signal(getattr(signal, name))

    assert command.wait() == 42


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("import sys; sys.exit(0)", 0),
        ("import sys; sys.exit(3)", 3),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 128 + 9),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 128 + 15),
    ],
    ids=["0", "3", "killed", "terminated"],
)
def test_the_exit_status_is_the_commands(run, code, status):
    assert run(*python(code)).wait() == status


def signals_of(status):
    """Which signals a process ignores and blocks, as the kernel tells it; those from 32 are libc's own."""
    lines = dict(line.split(":", 1) for line in status.splitlines())
    return {name: int(lines[name], 16) & 0x7FFFFFFF for name in ("SigIgn", "SigBlk")}


def test_the_command_inherits_input_and_signals_as_they_were(run):
    reading, writing = os.pipe()
    command = run("--", "cat", "-", "/proc/self/status", stdin=reading)
    os.close(reading)
    os.write(writing, b"what comes in\n")
    os.close(writing)

    assert command.wait() == 0
    line, status = command.out().split("\n", 1)
    assert line == "what comes in"
    # As a shell starts it: of a job in the background, SIGINT and SIGQUIT are ignored by whatever runs in it.
    without_us = subprocess.run(("/bin/cat", "/proc/self/status"), capture_output=True, text=True, check=True)
    assert signals_of(status) == signals_of(without_us.stdout)
    assert not signals_of(status)["SigIgn"] & 1 << (signal.SIGPIPE - 1), "as Python does, which then sees no end"


def test_a_command_that_is_not_there_is_a_plain_error(run):
    command = run("--", "no-such-command-of-ours")

    assert command.wait() == 127
    assert command.err() == "inferometer: no-such-command-of-ours: command not found\n"


@pytest.mark.parametrize("mode", [0o700, 0o600], ids=["executable", "not executable"])
def test_a_file_that_is_no_program_is_a_plain_error(run, tmp_path, mode):
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF no program")
    program.chmod(mode)
    command = run("--", str(program))

    assert command.wait() == 126
    assert f"inferometer: {program}: " in command.err()
    assert "Traceback" not in command.err()


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
    command = run(*python("import time; print('ready', flush=True); time.sleep(3)"))
    command.said("ready")
    sidecar = command.sidecar()
    command.process.kill()
    command.wait()

    command.until(lambda: not Path(f"/proc/{sidecar}").exists())


def test_a_signal_to_the_whole_group_ends_the_command_and_loses_nothing(run):
    port = free_port()
    server = run(
        "--", sys.executable, "-m", "uvicorn", "examples.fastapi_app:app", "--port", str(port), group=True,
        INFEROMETER_FLUSH_SECONDS="5",
    )  # fmt: skip
    server.port = port
    server.until(server.ask)
    os.killpg(server.process.pid, signal.SIGTERM)
    server.wait()

    assert "1 request recorded" in server.err()


def test_what_outlives_the_command_for_a_moment_is_recorded_too(run, tmp_path):
    """The command starts a job and ends before it does."""
    (tmp_path / "job.py").write_text(
        "import pathlib, sys, time, inferometer\n"
        "with inferometer.request('early'): pass\n"
        "inferometer.flush(); pathlib.Path(sys.argv[1]).touch(); time.sleep(0.5)\n"
        "with inferometer.request('late'): pass\n"
    )
    script = f"{sys.executable} {tmp_path}/job.py {tmp_path}/begun & until [ -e {tmp_path}/begun ]; do sleep 0.05; done"
    command = run("--", "sh", "-c", script)

    assert command.wait() == 0
    assert "2 requests recorded" in command.err()


def test_a_command_that_forks_is_recorded_to_the_end(run, tmp_path):
    """A preloading server: what is recorded is in the forked children."""
    port = free_port()
    server = run(
        "--", sys.executable, "-m", "gunicorn", "examples.fastapi_app:app", "-k", "uvicorn.workers.UvicornWorker",
        "--preload", "-w", "2", "--bind", f"127.0.0.1:{port}", "--pid", str(tmp_path / "pid"),
    )  # fmt: skip
    server.port = port
    server.until(server.ask)
    for _ in range(10):
        assert server.ask()
    server.process.terminate()

    assert server.wait() == 0
    assert "11 requests recorded" in server.err()


def test_processes_that_are_left_to_us_do_not_stay_as_zombies(run, tmp_path):
    """As in a container without an init."""
    subreaper = (
        "import ctypes, os, sys\n"
        "assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0\n"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    inner = "(sleep 0.1 &) ; (sleep 0.2 &) ; sleep 0.6; cat /proc/$PPID/task/$PPID/children; echo .; sleep 0.1"
    command = [sys.executable, "-c", subreaper, *RUN, "--metrics", ":0", "--api", ":0", "--", "sh", "-c", inner]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    )

    # The sidecar and the command.
    assert len(ran.stdout.partition(".")[0].split()) == 2


@pytest.mark.parametrize("name", ["long" * 30, "a space"], ids=["long", "with a space"])
def test_the_folder_of_temporary_files_may_be_anything(run, tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    command = run(*python("import inferometer\nwith inferometer.request('one'): pass"), TMPDIR=str(folder))

    assert command.wait() == 0
    assert "1 request recorded" in command.err()


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


def test_the_sidecars_own_servers_are_not_what_is_recorded(run, tmp_path):
    """Also where the shell of a user has switched everything on."""
    code = (
        "import os, sys, time, urllib.request\n"
        "for line in sys.stdin: print(urllib.request.urlopen(line.split('live ')[1].strip()).status)"
    )
    reading, writing = os.pipe()
    elsewhere = str(tmp_path / "elsewhere")
    command = run(*python(code), stdin=reading, INFEROMETER_ENABLED="1", INFEROMETER_RUNTIME_DIR=elsewhere)
    os.close(reading)
    command.said("live http://")
    os.write(writing, command.err().splitlines()[0].encode() + b"\n")
    os.close(writing)

    assert command.wait() == 0
    assert command.out() == "200\n"
    assert "no request was recorded" in command.err()
    assert not Path(elsewhere).exists(), "a server that is switched on would look there for somebody to send to"


def test_of_the_runs_that_ended_the_newest_are_kept_and_one_that_lasts_stays(tmp_path):
    environment = {"XDG_STATE_HOME": str(tmp_path)}
    runs = tmp_path / "inferometer" / "runs"
    with folders.of_this_run(environment) as folder:
        (folder / FILE_NAME).touch()
        lasting = folder.rename(runs / "20000101-000000-1")
        for number in range(12):
            (runs / f"20010101-0000{number:02}-1").mkdir()
        with folders.of_this_run(environment):
            kept = sorted(path.name for path in runs.iterdir())

    assert len(kept) == folders.KEPT_RUNS + 1
    assert kept[0] == lasting.name
    assert folders.recorders(environment) == [lasting / FILE_NAME]
