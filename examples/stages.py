"""A model server that marks what no hook can see: preprocessing, batches, the model's name.

Start it with ``uvicorn stages:app --app-dir examples``.
"""

from typing import Annotated

from fastapi import FastAPI, Header
from pydantic import BaseModel

import inferometer
import inferometer.auto

app = FastAPI()


class Text(BaseModel):
    """What is to be counted."""

    text: str


@inferometer.batch(max_size=8, max_wait=0.005)
async def lengths(batch: list[list[str]]) -> list[int]:
    """The model: it takes eight texts at a time."""
    return [len(words) for words in batch]


@app.post("/count")
async def count(body: Text, x_model_version: Annotated[str, Header()] = "v1") -> dict[str, int]:
    """Words of a text."""
    inferometer.annotate(model="counter", version=x_model_version)
    with inferometer.stage("preprocess"):
        words = body.text.split()
    return {"words": await lengths(words)}
