"""`inferometer run`, and servers that it runs."""

import os
import subprocess
import sys

import pytest
from free_ports import free_port
from run_command import ROOT, RUN, Started


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
