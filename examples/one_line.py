"""The smallest model server that inferometer watches.

Start it, ask it, look at it::

    uvicorn one_line:app --app-dir examples
    curl -s 127.0.0.1:8000/predict -H 'content-type: application/json' -d '{"numbers": [1, 2, 3]}'
    curl -s 127.0.0.1:9464/metrics | grep inference_stage_duration_seconds_sum

The first look shows a new series at 0, so that Prometheus sees it grow; the second what it is.
"""

from fastapi import FastAPI
from pydantic import BaseModel, Field

import inferometer.auto  # noqa: F401 - that is all, and it may stand before or after any other import

app = FastAPI()


class Question(BaseModel):
    """What the model is asked."""

    numbers: list[float] = Field(min_length=1)


@app.post("/predict")
def predict(question: Question) -> dict[str, float]:
    """The model: a mean."""
    return {"mean": sum(question.numbers) / len(question.numbers)}
