"""Whatever of ours raises on a request's path: the answer is the same, the hook is off, counted once and said once."""

import asyncio

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

import inferometer.hooks.fastapi_routing
import inferometer.hooks.starlette_routing
import inferometer.recorder.asgi
import inferometer.recorder.sender
from inferometer.hooks.registry import HOOKS, install
from inferometer.recorder.asgi_request import AsgiRequest
from inferometer.recorder.hook_states import ACTIVE, FAILED
from inferometer.recorder.request import OpenRequest
from inferometer.recorder.worker import ASGI_HOOK, Worker

NAMES = {"asgi", "fastapi", "fastapi.routing", "starlette.routing", "starlette.endpoints"}


def breaks(*_args, **_kwargs):
    raise RuntimeError("ours")


def fastapi_app():
    app = FastAPI()

    @app.get("/sync")
    def sync() -> str:
        return "sync"

    @app.get("/async")
    async def asynchronous() -> str:
        return "async"

    return app


def starlette_app():
    def sync(request):
        return PlainTextResponse('"sync"')

    async def asynchronous(request):
        return PlainTextResponse('"async"')

    return Starlette(routes=[Route("/sync", sync), Route("/async", asynchronous)])


BROKEN = {
    "a request begins": (inferometer.recorder.asgi, "AsgiRequest", ASGI_HOOK),
    "a header is read": (inferometer.recorder.sender, "read", ASGI_HOOK),
    "an answer begins": (AsgiRequest, "_answered", ASGI_HOOK),
    "a request ends": (OpenRequest, "shape", ASGI_HOOK),
    "FastAPI's functions": (inferometer.hooks.fastapi_routing, "current", "fastapi.routing"),
    "Starlette's routes": (inferometer.hooks.starlette_routing, "current", "starlette.routing"),
}


@pytest.mark.parametrize(("owner", "name", "hook"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("make", [fastapi_app, starlette_app])
def test_a_hook_that_raises_takes_itself_out(hooked: Worker, monkeypatch, caplog, make, owner, name, hook):
    install(hooked, [one for one in HOOKS if one.name in NAMES])
    client = TestClient(make())
    headers = {"x-tenant": "acme", "tracestate": "inferometer=1", "traceparent": f"00-{1:032x}-{2:016x}-01"}
    assert hooked.hooks.status_of(hook) == ACTIVE
    monkeypatch.setattr(owner, name, breaks)
    answers = [client.get(path, headers=headers) for path in ("/sync", "/async", "/sync", "/async")]

    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, "sync"), (200, "async")] * 2
    errors = hooked.hooks.errors()
    if make is starlette_app and hook == "fastapi.routing":
        # The two have the wrapper around thread pools in common.
        hook = "starlette.routing"
    if make is fastapi_app and hook == "starlette.routing":
        assert errors == {}
        return
    assert set(errors) == {hook}
    assert hooked.hooks.status_of(hook) == FAILED
    # The request under way may come to the broken place once more.
    assert errors[hook] <= 2
    assert [record.message for record in caplog.records] == [f"hook {hook} is off, it raised RuntimeError: ours"]


def test_the_users_own_exceptions_pass_through_unchanged(hooked: Worker):
    install(hooked, [one for one in HOOKS if one.name in NAMES])
    theirs = BaseExceptionGroup("theirs", [ValueError("a"), BaseExceptionGroup("b", [asyncio.CancelledError()])])
    app = FastAPI()

    @app.get("/")
    async def fails() -> None:
        raise theirs

    async def ask():
        async def receive():
            return {"type": "http.request"}

        async def send(message):
            pass

        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", "root_path": ""}
        await app(scope, receive, send)

    with pytest.raises(BaseExceptionGroup) as raised:
        asyncio.run(ask())

    assert raised.value is theirs
    assert hooked.hooks.errors() == {}
