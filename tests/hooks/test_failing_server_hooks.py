"""Whatever of ours raises in a server's own code: it starts, answers and ends as ever; the hook is counted and off."""

import asyncio
import threading
import time
from urllib.request import urlopen

import anyio.to_thread
import pytest
import uvicorn
from fastapi import FastAPI

import inferometer.hooks.anyio_threads
import inferometer.hooks.uvicorn_cycle
import inferometer.hooks.uvicorn_server
import inferometer.recorder.asgi
from inferometer.hooks.registry import HOOKS, install
from inferometer.recorder.hook_states import FAILED
from inferometer.recorder.listening import Listening
from inferometer.recorder.request import OpenRequest, current_request
from inferometer.recorder.worker import ASGI_HOOK, Worker

NAMES = {"asgi", "fastapi", "uvicorn", "uvicorn.h11", "anyio"}
BROKEN = {
    "a request's head is there": (inferometer.hooks.uvicorn_cycle, "waited_ns", "uvicorn.h11"),
    "the server listens": (Listening, "on", "uvicorn"),
    "the server ends": (inferometer.hooks.uvicorn_server, "flushed", "uvicorn"),
    "the application ends": (inferometer.recorder.asgi, "flushed", ASGI_HOOK),
    "a thread is asked for": (inferometer.hooks.anyio_threads, "current", "anyio"),
}


def breaks(*_args, **_kwargs):
    raise RuntimeError("ours")


@pytest.mark.parametrize(("owner", "name", "hook"), BROKEN.values(), ids=BROKEN)
def test_a_server_serves_on(hooked: Worker, monkeypatch, owner, name, hook):
    monkeypatch.setattr(hooked, "start", lambda **_: None)
    install(hooked, [one for one in HOOKS if one.name in NAMES])
    monkeypatch.setattr(owner, name, breaks)
    app = FastAPI()

    @app.get("/")
    def answer() -> str:
        return "served"

    server = uvicorn.Server(uvicorn.Config(app, port=0, http="h11", log_level="critical", lifespan="on"))
    running = threading.Thread(target=server.run, daemon=True)
    running.start()
    while not server.started:
        assert running.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    bodies = [urlopen(f"http://127.0.0.1:{port}/", timeout=5).read() for _ in range(3)]
    server.should_exit = True
    running.join(10)

    assert not running.is_alive()
    assert bodies == [b'"served"'] * 3
    assert set(hooked.hooks.errors()) == {hook}
    assert hooked.hooks.status_of(hook) == FAILED


def test_a_call_in_a_thread_goes_on(hooked: Worker, monkeypatch):
    install(hooked, [one for one in HOOKS if one.name == "anyio"])
    monkeypatch.setattr(inferometer.hooks.anyio_threads, "_SHORT_NS", -1)
    monkeypatch.setattr(OpenRequest, "add_interval", breaks)

    async def act():
        current_request.set(OpenRequest(hooked, []))
        return [await anyio.to_thread.run_sync(lambda: 7) for _ in range(2)]

    assert asyncio.run(act()) == [7, 7]
    assert hooked.hooks.errors() == {"anyio": 1}
