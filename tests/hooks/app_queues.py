"""An application in which each queue can be made long. THREADS: how many there are for synchronous endpoints."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import httpx
from anyio.to_thread import current_default_thread_limiter
from fastapi import Depends, FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

import inferometer
import inferometer.auto

inside = 0
"""Requests that are where the next one has to wait."""


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """As few threads as a test asks for."""
    current_default_thread_limiter().total_tokens = int(os.environ.get("THREADS", "40"))
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/inside")
async def how_many() -> int:
    """Lets a test wait for the moment at which another request will have to."""
    return inside


def wait_for(until: Path) -> None:
    """Sleep until a test makes a file: a time that is fixed may be over before what is to wait has come.

    Ten seconds at most, for a test that failed makes none.
    """
    deadline = time.monotonic() + 10
    while not until.exists() and time.monotonic() < deadline:
        time.sleep(0.001)


@app.get("/block")
async def block(until: Path) -> StreamingResponse:
    """Says that it is there, then blocks the event loop."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"x"
        wait_for(until)

    return StreamingResponse(parts())


@app.get("/hog")
async def hog() -> None:
    """Blocks the event loop."""
    time.sleep(0.3)  # noqa: ASYNC251 - that is what it is for


@app.get("/fast")
async def fast() -> None:
    """Waits for nothing."""


@app.get("/thread")
def thread(until: Path) -> None:
    """Keeps a thread."""
    global inside  # noqa: PLW0603 - a test asks for it
    inside += 1
    wait_for(until)
    inside -= 1


@app.get("/quick-thread")
def quick_thread() -> None:
    """Needs a thread for no time."""


def a_dependency() -> int:
    """Needs a thread for no time, before the endpoint."""
    return 1


def a_resource() -> Iterator[int]:
    """The same, and is left after the endpoint."""
    yield 1


@app.get("/quick-dependency")
async def quick_dependency(_: Annotated[int, Depends(a_dependency)]) -> None:
    """Depends on a thread."""


@app.get("/quick-resource")
async def quick_resource(_: Annotated[int, Depends(a_resource)]) -> None:
    """Depends on a thread."""


@app.get("/quick-work")
async def quick_work() -> int:
    """Hands its own work to a thread."""
    return await run_in_threadpool(a_dependency)


@app.get("/sleep/{seconds}")
async def sleep(seconds: float) -> None:
    """Keeps its own connection."""
    await asyncio.sleep(seconds)


@app.get("/kept")
async def kept(until: Path) -> None:
    """Keeps the connection over which it is called."""
    global inside  # noqa: PLW0603 - a test asks for it
    inside += 1
    await run_in_threadpool(wait_for, until)
    inside -= 1


client = httpx.AsyncClient(limits=httpx.Limits(max_connections=1))


@app.get("/call")
async def call(port: int, until: str) -> None:
    """Calls over the one connection."""
    await client.get(f"http://127.0.0.1:{port}/kept", params={"until": until})


@app.get("/quick-call")
async def quick_call(port: int) -> None:
    """Calls over the one connection, for no time."""
    await client.get(f"http://127.0.0.1:{port}/fast")


@inferometer.batch(max_size=8, max_wait=0.3)
async def together(items: list[int]) -> list[int]:
    """A batch that waits for company."""
    return items


@app.get("/batch")
async def batch() -> int:
    """Waits for a batch."""
    return await together(1)
