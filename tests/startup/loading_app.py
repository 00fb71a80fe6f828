"""A user's application that loads a model when it is imported, and another when it starts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import onnxruntime
from fastapi import FastAPI

MODELS = Path(onnxruntime.__file__).parent / "datasets"
onnxruntime.InferenceSession(MODELS / "mul_1.onnx")


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Loads as servers should."""
    onnxruntime.InferenceSession(str(MODELS / "sigmoid.onnx"))
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/seen")
def seen() -> dict[str, str]:
    """Answers."""
    return {"answer": "yes"}
