"""A model of MLServer as its users write it."""

import asyncio

from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput
from plain_iris import classify


class Iris(MLModel):
    """The model."""

    async def load(self) -> bool:
        """Nothing to load."""
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """The species of a flower."""
        data = payload.inputs[0].data
        species = await asyncio.to_thread(classify, list(getattr(data, "root", data)))
        output = ResponseOutput(name="species", shape=[1, 1], datatype="INT64", data=[species])
        return InferenceResponse(model_name=self.name, outputs=[output])
