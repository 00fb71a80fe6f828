"""A model server that batches, and marks what no hook can see: preprocessing, the model's name.

Start it with ``uvicorn batching:app --app-dir examples``, then
``seq 8 | xargs -P 8 -I N curl -s '127.0.0.1:8000/count?text=one+two+N'``, which is one batch or a few.
"""

from typing import Annotated

from fastapi import FastAPI, Header

import inferometer
import inferometer.auto

app = FastAPI()


@inferometer.batch(max_size=8, max_wait=0.005)
async def lengths(batch: list[list[str]]) -> list[int]:
    """The model: it takes eight texts at a time."""
    return [len(words) for words in batch]


@app.get("/count")
async def count(text: str, x_model_version: Annotated[str, Header()] = "v1") -> dict[str, int]:
    """Words of a text."""
    inferometer.annotate(model="counter", version=x_model_version)
    with inferometer.stage("preprocess"):
        words = text.split()
    return {"words": await lengths(words)}
