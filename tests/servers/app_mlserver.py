"""Models of MLServer."""

import asyncio
import time

from mlserver import MLModel
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

import inferometer
import inferometer.auto


class Words(MLModel):
    """Lengths of texts, after 50 ms."""

    async def load(self) -> bool:
        """Nothing to load."""
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """The model."""
        texts = list(getattr(payload.inputs[0].data, "root", payload.inputs[0].data))
        if "bug" in texts:
            raise ValueError("theirs")
        if "wrong" in texts:
            raise InferenceError("wrong")
        if "wait" in texts:
            await asyncio.sleep(2)
        time.sleep(0.05)  # noqa: ASYNC251 - models do
        sizes = [len(text) for text in texts]
        return InferenceResponse(
            model_name=self.name,
            outputs=[ResponseOutput(name="size", shape=[len(sizes), 1], datatype="INT64", data=sizes)],
        )


class Marked(Words):
    """Half of what it does is marked."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """The model."""
        with inferometer.stage("execute"):
            time.sleep(0.02)  # noqa: ASYNC251 - models do
        return await super().predict(payload)
