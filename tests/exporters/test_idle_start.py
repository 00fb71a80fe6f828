"""The sidecar's imports take idle time alone, and an ordinary start where there is none."""

import gc
import os
import subprocess
import sys
import threading
from importlib import import_module

import psutil
import pytest

from inferometer_exporters import idle_start
from inferometer_exporters.idle_start import idle_processors, imported_in_idle_time, start_in_idle_time

POLICY = "import os, threading\npolicy = os.sched_getscheduler(threading.get_native_id())\n"
STARVED = """
import pathlib, time
if not pathlib.Path("first").exists():
    pathlib.Path("first").touch()
    time.sleep(60)
"""
"""As a thread without a processor: it does not get on; the second time it does."""
BUSY = "import time\nwhile time.thread_time() < 0.07:\n    pass\n"
PROGRAM = """
import os, sys
from inferometer_exporters import idle_start
idle_start.LEAST_IDLE = 0.0
idle_start.start_in_idle_time("does_not_get_on")
print(os.getpid(), sys.argv[1:], "_INFEROMETER_STARTED_AGAIN" in os.environ, sys.stdin.read())
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Makes a module that can be imported, once."""
    monkeypatch.syspath_prepend(tmp_path)
    # As on a machine that has some idle time, however busy this one is.
    monkeypatch.setattr(idle_start, "LEAST_SHARE", 0.0)
    monkeypatch.setattr(idle_start, "LEAST_IDLE", 0.0)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    made = []

    def make(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        made.append(name)
        return name

    yield make
    for name in made:
        sys.modules.pop(name, None)
    gc.unfreeze()


def test_modules_are_imported_by_a_thread_that_everybody_goes_before(module):
    before = os.sched_getscheduler(0)

    assert imported_in_idle_time(module("told_policy", POLICY))
    assert sys.modules["told_policy"].policy == os.SCHED_IDLE
    assert os.sched_getscheduler(threading.get_native_id()) == before


def test_what_is_imported_already_begins_nothing_anew(module, monkeypatch):
    import_module(module("already_there", ""))
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("it began anew"))
    monkeypatch.setattr(idle_start, "imported_in_idle_time", lambda *_: False)

    start_in_idle_time("already_there")


def test_what_was_imported_is_looked_at_by_no_collection_again(module):
    start_in_idle_time(module("made_much", "much = [[] for _ in range(10_000)]\n"))

    assert gc.isenabled()
    assert gc.get_freeze_count() > 10_000


def test_who_needs_a_module_that_cannot_be_imported_is_told_so_and_not_the_one_who_waits(module):
    assert imported_in_idle_time(module("broken_one", "raise ValueError('broken')\n"))
    with pytest.raises(ValueError, match="broken"):
        __import__("broken_one")


def test_where_no_idle_time_comes_the_process_begins_anew_with_its_arguments_and_its_input(tmp_path):
    (tmp_path / "does_not_get_on.py").write_text(STARVED)
    (tmp_path / "program.py").write_text(PROGRAM)
    with subprocess.Popen(
        [sys.executable, "program.py", "--one", "two"], cwd=tmp_path, text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        said, _ = process.communicate("all of it", timeout=30)

    assert process.returncode == 0
    assert said == f"{process.pid} ['--one', 'two'] False all of it\n"


def test_where_all_processors_are_taken_the_one_who_waits_imports_himself(module, monkeypatch):
    monkeypatch.setattr(idle_start, "LEAST_IDLE", 1 + os.cpu_count())

    start_in_idle_time(module("told_policy_here", POLICY))
    assert sys.modules["told_policy_here"].policy == os.sched_getscheduler(0)


def test_only_processors_that_may_be_used_count_and_what_they_wait_for_a_disk_is_idle_time(tmp_path, monkeypatch):
    text = "cpu 1 1 1 {all} 0 0\ncpu0 5 0 5 {idle} {disk} 7 7\ncpu1 5 0 5 {other} 0 0\ncpu10 5 0 5 {other} 0 0\n"
    looks = [{"all": 0, "idle": 100, "disk": 10, "other": 1}, {"all": 900, "idle": 103, "disk": 12, "other": 900}]
    stat = tmp_path / "stat"
    stat.write_text(text.format_map(looks[0]))
    monkeypatch.setattr(idle_start, "_PROCESSORS", stat)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    monkeypatch.setattr(os, "sysconf", {"SC_CLK_TCK": 100}.get)
    clock = iter([7.0, 7.1])
    monkeypatch.setattr(idle_start.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(idle_start.time, "sleep", lambda _: stat.write_text(text.format_map(looks[1])))

    assert idle_processors() == pytest.approx(0.5)
    stat.unlink()
    assert idle_processors() == 0


def test_a_thread_that_gets_on_is_waited_for(module, monkeypatch):
    monkeypatch.setattr(idle_start, "LOOK_SECONDS", 0.02)

    assert imported_in_idle_time(module("busy_one", BUSY))


@pytest.mark.processes
def test_a_sidecar_that_serves_has_no_thread_of_idle_time(tmp_path):
    command = [
        sys.executable, "-m", "inferometer_compose", "sidecar", "--socket", str(tmp_path / "socket"),
        "--state", str(tmp_path / "state"), "--metrics", "127.0.0.1:0", "--api", "127.0.0.1:0", "--otlp-grpc", "off",
        "--otlp-http", "off",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as sidecar:
        try:
            assert any(line.startswith("api ") for line in sidecar.stdout)
            policies = {os.sched_getscheduler(thread.id) for thread in psutil.Process(sidecar.pid).threads()}
        finally:
            sidecar.terminate()
        said = sidecar.stderr.read()

    assert policies == {os.SCHED_OTHER}
    assert said == ""
    assert sidecar.returncode == 0
