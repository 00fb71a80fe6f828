"""``POST /embed``: sentence embeddings with dynamic batching, two versions of one model side by side."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import numpy as np
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, Field

import inferometer
import inferometer.auto  # the one line
from inferometer_compose.faults import Fault
from inferometer_compose.fleet.control import FaultSwitch, control_routes, is_warm_up
from inferometer_compose.fleet.disturbances import Disturbances
from inferometer_compose.fleet.sentences import MAX_TOKENS, MODEL, WIDTH, Vector, pooled
from inferometer_compose.fleet.versions import deployed

# What the bad deployment cannot embed: texts that are too short for its tokenizer's settings.
_TOO_SHORT_FOR_V3 = 12


class EmbedRequest(BaseModel):
    """Texts to embed, and the version to do it with."""

    texts: list[str] = Field(min_length=1, max_length=64)
    version: str = "v1"


class EmbedResponse(BaseModel):
    """One vector of length 1 per text; the states of its tokens too, where a fault makes the answer big."""

    model: str = MODEL
    version: str
    vectors: list[list[float]]
    states: list[list[list[float]]] | None = None


versions = deployed()
switch = FaultSwitch()
disturbances = Disturbances(versions)
_arrivals = count(1)


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    await asyncio.gather(versions["v1"].model(), versions["v2"].model())
    yield
    await disturbances.follow(None)


app = FastAPI(title="embedder", lifespan=_lifespan)
app.include_router(control_routes(switch, disturbances.follow))


@app.post("/embed")
async def embed(order: EmbedRequest, request: Request) -> EmbedResponse:
    """Vectors of the texts, in their order."""
    name = "v3" if switch.on(Fault.BAD_DEPLOY) and order.version == "v2" else order.version
    if (version := versions.get(name)) is None:
        raise HTTPException(404, f"no version {name!r} of {MODEL}; there are {', '.join(versions)}")
    inferometer.annotate(model=MODEL, version=name, warmup=is_warm_up(request))
    if switch.on(Fault.ERRORS) and next(_arrivals) % 4 == 0:
        raise RuntimeError("fault `errors`: every fourth request raises")

    model = await version.model()
    with inferometer.stage("preprocess"):
        tokens = [model.tokens(text) for text in order.texts]
    if name == "v3" and min(map(len, tokens)) < _TOO_SHORT_FOR_V3:
        raise RuntimeError(f"fault `bad-deploy`: v3 fails below {_TOO_SHORT_FOR_V3} tokens")
    states = await asyncio.gather(*map(version.states, tokens))
    with inferometer.stage("postprocess"):
        vectors = [pooled(text).tolist() for text in states]
        big = [_everything(text) for text in states] if switch.on(Fault.BIG_PAYLOAD) else None
    return EmbedResponse(version=name, vectors=vectors, states=big)


def _everything(states: Vector) -> list[list[float]]:
    """A vector for each of the model's positions, a megabyte of JSON; positions behind the text repeat it."""
    everything: list[list[float]] = np.resize(states, (MAX_TOKENS, WIDTH)).tolist()
    return everything
