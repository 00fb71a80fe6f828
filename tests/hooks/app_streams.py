"""An application that streams in every way that FastAPI knows."""

import asyncio
import json
import time
from collections.abc import AsyncIterable, Iterator

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.sse import EventSourceResponse
from lasting import last
from starlette.middleware.base import BaseHTTPMiddleware

import inferometer
import inferometer.auto

app = FastAPI()
USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}


left = asyncio.Event()
"""A part of the answer has left: one request is asked at a time."""


class Leaving:
    """Says when a part has left; a generator may be asked for its next one before."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        """Pass everything on."""

        async def sent(message):
            await send(message)
            if message.get("body"):
                left.set()

        left.clear()
        await self.app(scope, receive, sent)


app.add_middleware(Leaving)


async def pause() -> None:
    """Fifty milliseconds and no less between the first part and the next."""
    await left.wait()
    await last(0.05)


def event(payload: object, end: str = "\n\n") -> str:
    """A server-sent event."""
    return f"data: {json.dumps(payload)}{end}"


def delta(**fields: str) -> dict[str, object]:
    """A part of a chat's answer."""
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": fields}]}


@app.post("/v1/chat/completions")
async def chat() -> StreamingResponse:
    """As OpenAI answers: a role, three tokens ten milliseconds apart, usage."""
    inferometer.annotate(model="chatty")

    async def parts():
        yield event(delta(role="assistant", content=""))
        await pause()
        for word in ("one", "two", "three"):
            yield event(delta(content=word))
            await last(0.01)
        yield event({"choices": [], "usage": USAGE})
        yield "data: [DONE]\n\n"

    return StreamingResponse(parts(), media_type="text/event-stream")


@app.get("/events", response_class=EventSourceResponse)
async def events() -> AsyncIterable[dict[str, object]]:
    """FastAPI's own server-sent events."""
    yield delta(role="assistant", content="")
    await pause()
    for word in ("one", "two", "three"):
        yield delta(content=word)
        await last(0.01)


@app.get("/pinged")
async def pinged() -> StreamingResponse:
    """As sse-starlette writes: CRLF, and a comment now and then."""

    async def parts():
        yield ": ping - 2026-11-23 01:00:00\r\n\r\n"
        await pause()
        for word in ("one", "two", "three"):
            yield f"id: 7\r\nevent: message\r\n{event(delta(content=word), chr(13) + chr(10))}"
            yield "\r\n: ping\r\n\r\n"

    return StreamingResponse(parts(), media_type="text/event-stream")


@app.get("/lines")
def lines() -> StreamingResponse:
    """As Ollama answers, from a synchronous generator, in parts that end anywhere."""
    whole = "".join(
        json.dumps({"model": "m", "message": {"role": "assistant", "content": word}, "done": not word, **more}) + "\n"
        for word, more in (("one", {}), ("two", {}), ("", {"prompt_eval_count": 9, "eval_count": 5}))
    )

    def parts() -> Iterator[str]:
        for start in range(0, len(whole), 17):
            yield whole[start : start + 17]

    return StreamingResponse(parts(), media_type="application/x-ndjson")


@app.get("/told")
def told() -> StreamingResponse:
    """Text of which only the application knows that it is tokens."""
    inferometer.tokens(input=4)

    def parts() -> Iterator[str]:
        for word in ("one", "two", "three"):
            time.sleep(0.01)
            inferometer.tokens(output=1)
            yield word

    return StreamingResponse(parts(), media_type="text/plain")


@app.get("/broken")
async def broken() -> StreamingResponse:
    """Raises after two tokens."""

    async def parts():
        yield event(delta(content="one"))
        yield event(delta(content="two"))
        raise RuntimeError("theirs")

    return StreamingResponse(parts(), media_type="text/event-stream")


closed: list[bool] = []


@app.get("/endless")
async def endless() -> StreamingResponse:
    """Tokens until the client leaves."""

    async def parts():
        try:
            while True:
                yield event(delta(content="more"))
                await asyncio.sleep(0.005)
        finally:
            closed.append(True)

    return StreamingResponse(parts(), media_type="text/event-stream")


@app.get("/closed")
async def was_closed(response: Response) -> None:
    """How many endless streams were closed."""
    response.headers["x-closed"] = str(len(closed))


@app.get("/heavy")
async def heavy() -> StreamingResponse:
    """More than the buffers of a connection hold, in parts of 64 KiB."""

    async def parts():
        for _ in range(200):
            yield b"x" * 65_536

    return StreamingResponse(parts(), media_type="application/octet-stream")


@app.get("/whole")
async def whole() -> JSONResponse:
    """An answer in one part that states its tokens."""
    return JSONResponse({"choices": [{"message": {"content": "one two three"}}], "usage": USAGE})


async def passing(request: Request, call_next):
    """A middleware that streams what was whole."""
    return await call_next(request)


wrapped = FastAPI()
wrapped.add_middleware(BaseHTTPMiddleware, dispatch=passing)
wrapped.add_api_route("/whole", whole, methods=["GET"])
wrapped.add_api_route("/chat", chat, methods=["GET"])
app.mount("/wrapped", wrapped)
