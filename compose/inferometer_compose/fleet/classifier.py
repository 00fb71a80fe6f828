"""``POST /classify``: the type of a file from its bytes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel

import inferometer
import inferometer.auto  # the one line
from inferometer_compose.fleet.control import FaultSwitch, control_routes, is_warm_up, nothing_else
from inferometer_compose.fleet.filetypes import MODEL, FileTypeModel, features

MAX_BYTES = 4 * 1024 * 1024


class FileType(BaseModel):
    """The label of a file and how sure the model is, 0-1."""

    label: str
    probability: float
    size_bytes: int


_models: list[FileTypeModel] = []


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    _models.append(await asyncio.to_thread(FileTypeModel))
    yield
    _models.clear()


app = FastAPI(title="classifier", lifespan=_lifespan)
app.include_router(control_routes(FaultSwitch(), nothing_else))


@app.post("/classify")
async def classify(request: Request) -> FileType:
    """The type of the file that is the request's body."""
    inferometer.annotate(model=MODEL, version="3.3", warmup=is_warm_up(request))
    content = await request.body()
    if not content:
        raise HTTPException(422, "the body is the file; it is empty")
    if len(content) > MAX_BYTES:
        raise HTTPException(413, f"the file has {len(content)} bytes; {MAX_BYTES} are allowed")
    with inferometer.stage("preprocess"):
        row = features(content)
    label, probability = await asyncio.to_thread(_models[0].classify, row)
    return FileType(label=label, probability=probability, size_bytes=len(content))
