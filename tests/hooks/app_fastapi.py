"""What people do with FastAPI: dependencies of every kind, handlers, middleware, lifespan, WebSocket, events."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.endpoints import HTTPEndpoint
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.responses import PlainTextResponse, Response

import inferometer
import inferometer.auto

log: list[str] = []
"""What has happened, in order."""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, int]]:
    """State of its own."""
    log.append("started")
    yield {"answer": 42}


app = FastAPI(lifespan=lifespan)


class TeapotError(Exception):
    """Has a handler."""


@app.exception_handler(TeapotError)
async def teapot(request: Request, error: TeapotError) -> JSONResponse:
    """Answers for it."""
    return JSONResponse({"short": "stout"}, 418)


class Slow(BaseHTTPMiddleware):
    """Runs the rest of the application in a task of its own."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Fifty milliseconds, then a header."""
        await asyncio.sleep(0.05)
        if request.url.path == "/refused":
            return PlainTextResponse("no", 403)
        answer = await call_next(request)
        answer.headers["x-middleware"] = "was here"
        return answer


app.add_middleware(Slow)


async def of_async() -> int:
    """A dependency."""
    await asyncio.sleep(0.02)
    return 1


def of_sync() -> int:
    """A dependency that runs in a thread."""
    time.sleep(0.02)
    return 2


async def of_yield() -> AsyncIterator[int]:
    """A dependency with an end."""
    yield 3
    log.append("closed")


def of_sync_yield() -> Iterator[int]:
    """A dependency with an end, in a thread."""
    yield 4
    log.append("closed in a thread")


@app.get("/depends")
async def depends(
    one: Annotated[int, Depends(of_async)],
    two: Annotated[int, Depends(of_sync)],
    three: Annotated[int, Depends(of_yield)],
    four: Annotated[int, Depends(of_sync_yield)],
) -> list[int]:
    """All of them."""
    return [one, two, three, four]


@app.get("/log")
async def what_happened() -> list[str]:
    """What has happened."""
    return log


@app.get("/state")
async def state(request: Request) -> int:
    """What lifespan left."""
    return request.state.answer


@app.get("/teapot")
async def is_teapot() -> None:
    """Raises what a handler answers."""
    raise TeapotError


@app.get("/gone")
def gone() -> None:
    """Raises in a thread."""
    raise HTTPException(410)


@app.get("/group")
async def group() -> None:
    """Raises several at once."""
    raise ExceptionGroup("theirs", [ValueError("a"), KeyError("b")])


@app.get("/late-group")
async def late_group() -> None:
    """One of several gave up waiting."""
    async with asyncio.timeout(0.01), asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.sleep(5))
        tasks.create_task(asyncio.sleep(5))


@app.get("/events")
async def events() -> StreamingResponse:
    """Server-sent events."""

    async def frames() -> AsyncIterator[str]:
        for number in range(3):
            await asyncio.sleep(0.02)
            yield f"data: {number}\n\n"

    return StreamingResponse(frames(), media_type="text/event-stream")


@app.get("/broken-stream")
async def broken_stream() -> StreamingResponse:
    """Fails in the middle of its answer."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"begun"
        raise RuntimeError("theirs")

    return StreamingResponse(parts())


@app.get("/tasks")
def tasks(background: BackgroundTasks) -> str:
    """Works on after its answer, in threads and out of them."""
    background.add_task(time.sleep, 0.1)
    background.add_task(asyncio.sleep, 0.1)
    return "now"


@app.get("/threads")
async def threads() -> int:
    """Marks of a stage come from other threads too."""

    def work() -> int:
        with inferometer.stage("preprocess"):
            time.sleep(0.03)
        return 1

    loop = asyncio.get_running_loop()
    return sum(await asyncio.gather(asyncio.to_thread(work), loop.run_in_executor(None, work)))


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    """Says what it hears, until it hears nothing."""
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


class Plain(HTTPEndpoint):
    """An endpoint that is a class of Starlette."""

    def get(self, request: Request) -> PlainTextResponse:  # noqa: ARG002 - as Starlette calls it
        """In a thread."""
        return PlainTextResponse("plain")


app.add_route("/class/{name}", Plain)
