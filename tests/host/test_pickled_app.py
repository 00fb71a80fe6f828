"""An application is pickled as without us, before and after it has served, and records where it is unpickled."""

import os
import subprocess
import sys

import pytest

from inferometer.testing import Collector

SERVED = """
import asyncio, sys
async def served(app):
    async def receive():
        return {"type": "http.request", "body": b""}
    async def send(message):
        if message["type"] == "http.response.start":
            assert message["status"] == 200, message
    await app({"type": "http", "method": "GET", "path": "/x/1", "headers": [], "query_string": b"", "root_path": "",
               "http_version": "1.1", "scheme": "http", "server": ("x", 80), "client": ("y", 9)}, receive, send)
"""
# Starlette 1.10 cannot read its own State back: what is missing there it looks for there, without an end.
MENDED = """
import inferometer.auto, pickle, starlette.datastructures
starlette.datastructures.State.__setstate__ = lambda self, state: self.__dict__.update(state)
"""
APPLICATIONS = {
    "FastAPI": """
import fastapi
app = fastapi.FastAPI()
@app.get("/x/{y}")
async def x(y: int) -> int:
    return y
""",
    "Starlette": """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
def x(request):
    return PlainTextResponse("x")
app = Starlette(routes=[Route("/x/{y}", x)])
""",
    "plain ASGI": """
import inferometer
async def plain(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x"})
app = inferometer.asgi(plain)
""",
}


def run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", SERVED + code], env={**os.environ, **environment}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.mark.parametrize("name", APPLICATIONS)
def test_an_application_goes_to_another_process_and_is_recorded_there(tmp_path, name):
    dump = "import cloudpickle; sys.stdout.buffer.write(cloudpickle.dumps(app))"
    with Collector(tmp_path / "i.sock") as collector:
        intake = {"INFEROMETER_SIDECAR": collector.address}
        fresh = run(f"import inferometer.auto\n{APPLICATIONS[name]}\n{dump}", **intake)
        used = run(f"import inferometer.auto\n{APPLICATIONS[name]}\nasyncio.run(served(app))\n{dump}", **intake)
        assert len(collector.wait(1)) == 1
        for pickled in (fresh, used):
            path = tmp_path / "app"
            path.write_bytes(pickled)
            load = f"{MENDED}app = pickle.load(open({str(path)!r}, 'rb'))"
            run(f"{load}\nasyncio.run(served(app)); import inferometer; assert inferometer.flush(5)", **intake)

        assert len(collector.wait(3)) == 3


@pytest.mark.parametrize("name", ["FastAPI", "Starlette"])
def test_a_pickled_application_carries_nothing_of_ours(name):
    dump = "import cloudpickle; sys.stdout.buffer.write(cloudpickle.dumps(app))"

    assert b"inferometer" not in run(f"import inferometer.auto\n{APPLICATIONS[name]}\n{dump}")
