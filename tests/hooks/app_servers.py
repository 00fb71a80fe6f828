"""An application with an endpoint for everything that a test asks for. FIRST: the one line stands before FastAPI."""

import os

if os.environ.get("FIRST"):
    import inferometer.auto
import asyncio
import threading

import httpx
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from lasting import last
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

app = FastAPI()

import inferometer  # noqa: E402 - the line last
import inferometer.auto  # noqa: E402 - the line last


class Number(BaseModel):
    """What goes in and out."""

    x: int


async def slow_dependency() -> None:
    """Twenty milliseconds before the endpoint."""
    await last(0.02)


@app.post("/predict", dependencies=[Depends(slow_dependency)])
async def predict(number: Number) -> Number:
    """Annotated, with a stage."""
    with inferometer.stage("preprocess"):
        await last(0.01)
    inferometer.annotate(model="double", version="3")
    return Number(x=number.x * 2)


gate = threading.Event()
inside: list[str] = []


@app.post("/sync/{name}")
def sync(name: str, number: Number) -> Number:
    """Runs in a thread, and stays there until the gate is open."""
    inside.append(name)
    gate.wait(30)
    return number


@app.get("/open")
async def let_go(after: int) -> None:
    """Open the gate, a while after so many have come to it."""
    while len(inside) < after:  # noqa: ASYNC110 - they come from threads
        await asyncio.sleep(0.005)
    await last(0.2)  # The wait that the test looks for: nothing else is waited for here.
    gate.set()


@app.get("/stream")
async def stream() -> StreamingResponse:
    """Five parts."""

    async def parts():
        for _ in range(5):
            await last(0.01)
            yield b"x" * 10

    return StreamingResponse(parts())


@app.get("/endless")
async def endless() -> StreamingResponse:
    """Parts until the client leaves."""

    async def parts():
        while True:
            await asyncio.sleep(0.005)
            yield b"x"

    return StreamingResponse(parts())


@app.get("/slow")
async def slow() -> str:
    """Answers when the client is gone."""
    await last(0.3)
    return "late"


@app.get("/bug")
async def bug() -> None:
    """Raises."""
    raise RuntimeError("theirs")


@app.get("/timeout")
async def timeout() -> None:
    """Gives up."""
    async with asyncio.timeout(0.01):
        await asyncio.sleep(5)


@app.get("/busy")
async def busy() -> None:
    """Wants no request now."""
    raise HTTPException(503, headers={"Retry-After": "1"})


@app.get("/later")
async def later(tasks: BackgroundTasks) -> str:
    """Works on after its answer."""
    tasks.add_task(last, 0.2)
    return "now"


@app.get("/call")
async def call(port: int) -> Number:
    """Calls this service over HTTP."""
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"http://127.0.0.1:{port}/predict", json={"x": 4})
    return Number(**answer.json())


@app.get("/call-sync")
def call_sync(port: int) -> Number:
    """Calls this service from a thread."""
    with httpx.Client() as client:
        return Number(**client.post(f"http://127.0.0.1:{port}/predict", json={"x": 4}).json())


included = APIRouter(prefix="/v1")


@included.get("/items/{item}")
async def item(item: str) -> str:
    """Of an included router."""
    return item


app.include_router(included, prefix="/api")

mounted = FastAPI()


@mounted.get("/things/{thing}")
async def thing(thing: str) -> str:
    """Of a mounted application."""
    return thing


async def plain(request) -> PlainTextResponse:
    """Of Starlette."""
    await asyncio.sleep(0.01)
    return PlainTextResponse("plain")


def plain_sync(request) -> PlainTextResponse:
    """Of Starlette, in a thread."""
    return PlainTextResponse("plain")


app.mount("/mounted", mounted)
app.mount("/star", Starlette(routes=[Route("/plain/{name}", plain), Route("/plain-sync/{name}", plain_sync)]))
