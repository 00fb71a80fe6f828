"""The command of `inferometer run` behaves as without us: signals, exit status, input, errors."""

import contextlib
import os
import pty
import signal
import subprocess
import sys

import pytest
from run_command import RUN, python

from inferometer_compose.beside.command import is_ours_to_pass_on

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_ctrl_c_reaches_the_command_once_and_not_the_sidecar(tmp_path):
    """On a terminal the whole foreground group gets SIGINT; a second one would make a server drop its requests."""
    code = (
        "import os, signal, sys, time\n"
        "came = []\n"
        "signal.signal(signal.SIGINT, lambda *_: came.append(os.write(1, b'interrupted ')))\n"
        "os.write(1, b'ready ')\n"
        "while not came: time.sleep(0.05)\n"
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
