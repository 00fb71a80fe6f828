"""A model server in FastAPI that knows nothing of inferometer: what records it is the way it is started.

::

    inferometer run -- uvicorn examples.fastapi_app:app
    curl -s 127.0.0.1:8000/predict -H 'content-type: application/json' -d '{"numbers": [1, 2, 3]}'
"""

import statistics

from fastapi import FastAPI
from pydantic import BaseModel, Field

app = FastAPI()


class Question(BaseModel):
    """What the model is asked."""

    numbers: list[float] = Field(min_length=1)


@app.post("/predict")
def predict(question: Question) -> dict[str, float]:
    """The model: mean and spread."""
    return {"mean": statistics.fmean(question.numbers), "spread": statistics.pstdev(question.numbers)}
