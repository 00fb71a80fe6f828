"""Every launcher that people use, started for real: each request is recorded once, and none is lost at the end."""

import pytest

from inferometer.catalog.stages import Outcome
from inferometer.record.model import Moment

pytestmark = pytest.mark.timeout(120)

UVICORN = ("-m", "uvicorn", "--port", "{port}", "--log-level", "warning")
GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--log-level", "warning")
HYPERCORN = ("-m", "hypercorn", "--bind", "127.0.0.1:{port}")
GRANIAN = ("-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning")

ONE_WORKER = {
    "uvicorn, h11": (*UVICORN, "--http", "h11", "--loop", "asyncio"),
    "uvicorn, httptools": (*UVICORN, "--http", "httptools", "--loop", "asyncio"),
    "uvicorn, uvloop": (*UVICORN, "--http", "httptools", "--loop", "uvloop"),
    "gunicorn": (*GUNICORN, "-k", "uvicorn.workers.UvicornWorker"),
    "gunicorn, uvicorn_worker": (*GUNICORN, "-k", "uvicorn_worker.UvicornWorker"),
    "gunicorn, preload": (*GUNICORN, "-k", "uvicorn_worker.UvicornWorker", "--preload"),
    "hypercorn": HYPERCORN,
    "hypercorn, uvloop": (*HYPERCORN, "--worker-class", "uvloop"),
    "granian": GRANIAN,
}
MANY_WORKERS = {
    "uvicorn": (*UVICORN, "--workers", "2"),
    "gunicorn": (*GUNICORN, "-k", "uvicorn_worker.UvicornWorker", "--workers", "2"),
    "gunicorn, preload": (*GUNICORN, "-k", "uvicorn_worker.UvicornWorker", "--workers", "2", "--preload"),
    "hypercorn": (*HYPERCORN, "--workers", "2"),
    "granian": (*GRANIAN, "--workers", "2"),
}
APPLICATIONS = {
    "FastAPI, the line first": "app_first:app",
    "FastAPI, the line last": "app_last:app",
    "FastAPI, the line in another module": "app_package.main:app",
    "Starlette": "app_starlette:app",
    "plain ASGI": "app_plain:app",
}


def checked(server, application):
    """All records of *server*, when it has ended."""
    seconds = server.end()
    records = server.collector.wait(server.answered)

    assert len(records) == server.answered
    assert {(record.outcome, record.status) for record in records} == {(Outcome.OK, 200)}
    assert {record.labels.service for record in records} == {application.partition(":")[0]}
    assert len({record.span_id for record in records}) == server.answered
    for frame in server.collector.frames:
        assert (frame.gauges["hook_errors"], frame.gauges["drops"]) == ({}, {})
    assert seconds < 5
    return records


@pytest.mark.parametrize("launcher", ONE_WORKER.values(), ids=ONE_WORKER)
@pytest.mark.parametrize("application", APPLICATIONS.values(), ids=APPLICATIONS)
def test_one_worker(launch, launcher, application):
    server = launch(*launcher, application)
    for _ in range(10):
        server.ask()
    records = checked(server, application)

    plain = application == "app_plain:app"
    assert {record.labels.model for record in records} == {"plain" if plain else "/double/{number}"}
    assert {bool(record.stamps[Moment.ENDPOINT]) for record in records} == {not plain}
    # Of servers, uvicorn's own moments can be had, where hooks are on; without them a request begins at our entry.
    known = "uvicorn" in " ".join(launcher) and not plain
    assert {bool(record.stamps[Moment.START]) for record in records} == {known}


@pytest.mark.parametrize("launcher", MANY_WORKERS.values(), ids=MANY_WORKERS)
@pytest.mark.parametrize("application", ["app_first:app", "app_plain:app"], ids=["FastAPI", "plain ASGI"])
def test_two_workers(launch, launcher, application):
    # hypercorn kills its other workers as soon as one has ended: what they had not sent by then is lost.
    kills = "hypercorn" in launcher
    server = launch(*launcher, application, **({"INFEROMETER_FLUSH_SECONDS": "0.05"} if kills else {}))
    pids = server.ask_all(2)
    if kills:
        server.collector.wait(server.answered)
    checked(server, application)

    assert pids <= {hello.pid for hello in server.collector.hellos}
    assert len({hello.worker_id for hello in server.collector.hellos}) == len(
        {hello.pid for hello in server.collector.hellos}
    )


def test_a_script_that_starts_its_own_server(launch):
    server = launch("app_script.py", "{port}")
    for _ in range(10):
        server.ask()

    assert {record.labels.model for record in checked(server, "app_script")} == {"/double/{number}"}


def test_a_server_that_reloads_goes_on_with_the_new_code(launch, tmp_path):
    (tmp_path / "app_reloaded.py").write_text(CODE.format(version="old"))
    server = launch(*UVICORN, "--reload", "app_reloaded:app", folder=tmp_path)
    for _ in range(5):
        server.ask()
    before = server.ask()
    # Not as long as the old: Python takes a file of the same second and length for the one that it has compiled.
    (tmp_path / "app_reloaded.py").write_text(CODE.format(version="newer"))
    eventually_another(server, before)
    for _ in range(5):
        server.ask()
    records = checked(server, "app_reloaded")

    versions = [record.labels.version for record in records]
    assert versions == sorted(versions, reverse=True)
    assert set(versions) == {"old", "newer"}


def eventually_another(server, before):
    deadline = 600
    while (pid := server.ask()) == before or pid is None:
        deadline -= 1
        assert deadline


CODE = """
import os
from fastapi import FastAPI
import inferometer, inferometer.auto
app = FastAPI()

@app.get("/double/{{number}}")
async def double(number: int):
    inferometer.annotate(version="{version}")
    return {{"double": 2 * number, "pid": os.getpid()}}
"""
