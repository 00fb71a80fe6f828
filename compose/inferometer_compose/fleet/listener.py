"""``POST /listen``: speech activity of a recording, one line of JSON per window while the model works."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import islice

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse

import inferometer
import inferometer.auto  # the one line
from inferometer_compose.fleet.control import FaultSwitch, control_routes, is_warm_up, nothing_else
from inferometer_compose.fleet.speech import MODEL, SAMPLES_PER_SECOND, WINDOW, SpeechModel

MAX_SECONDS = 60
# Windows that one hop to a thread computes: a window is 0.15 ms of work, less than the hop costs.
_WINDOWS_PER_HOP = 8

_models: list[SpeechModel] = []


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    _models.append(await asyncio.to_thread(SpeechModel))
    yield
    _models.clear()


app = FastAPI(title="listener", lifespan=_lifespan)
app.include_router(control_routes(FaultSwitch(), nothing_else))


@app.post("/listen")
async def listen(request: Request) -> StreamingResponse:
    """``{"at_seconds": …, "speech": …}`` for each window of 32 ms of the 16-bit samples in the body."""
    inferometer.annotate(model=MODEL, version="6.2", warmup=is_warm_up(request))
    pcm = await request.body()
    if not WINDOW * 2 <= len(pcm) <= MAX_SECONDS * SAMPLES_PER_SECOND * 2:
        raise HTTPException(422, f"the body is 16-bit mono at 16 kHz, one window to {MAX_SECONDS} s long")
    return StreamingResponse(_lines(_models[0].listen(pcm)), media_type="application/x-ndjson")


async def _lines(probabilities: Iterator[float]) -> AsyncIterator[str]:
    window = 0
    while some := await asyncio.to_thread(lambda: list(islice(probabilities, _WINDOWS_PER_HOP))):
        lines = []
        for speech in some:
            at_seconds = window * WINDOW / SAMPLES_PER_SECOND
            lines.append(json.dumps({"at_seconds": round(at_seconds, 3), "speech": round(speech, 4)}))
            window += 1
        yield "\n".join(lines) + "\n"
