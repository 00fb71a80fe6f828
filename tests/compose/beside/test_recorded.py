"""`inferometer run` records everything that the command served, whatever that is."""

import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest
from free_ports import free_port
from run_command import python

from inferometer_compose.beside import folders
from inferometer_exporters.recorder import queries
from inferometer_exporters.recorder.names import FILE_NAME

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


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


@pytest.mark.parametrize("name", ["long" * 30, "a space"], ids=["long", "with a space"])
def test_the_folder_of_temporary_files_may_be_anything(run, tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    command = run(*python("import inferometer\nwith inferometer.request('one'): pass"), TMPDIR=str(folder))

    assert command.wait() == 0
    assert "1 request recorded" in command.err()


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
