"""A model behind MLServer that knows nothing of inferometer; ``../fleet.yaml`` says where its page is.

Start it, ask it::

    mlserver start examples/engines/iris
    curl -s 127.0.0.1:8080/v2/models/iris/infer -H 'content-type: application/json' \
      -d '{"inputs": [{"name": "row", "shape": [4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2]}]}'
"""

from typing import Final

from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

CENTROIDS: Final = ((5.006, 3.428, 1.462, 0.246), (5.936, 2.770, 4.260, 1.326), (6.588, 2.974, 5.552, 2.026))
"""Means of sepal length and width, petal length and width, in cm, of Fisher's irises, 50 flowers of each species."""


class Iris(MLModel):
    """The nearest of three species."""

    async def load(self) -> bool:
        """Nothing to load."""
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Four lengths in cm; anything else is a bug of this model, answered with 500."""
        data = payload.inputs[0].data
        row = [float(length) for length in getattr(data, "root", data)]
        distances = [sum((a - b) ** 2 for a, b in zip(row, centroid, strict=True)) for centroid in CENTROIDS]
        species = ResponseOutput(name="species", shape=[1], datatype="INT64", data=[distances.index(min(distances))])
        return InferenceResponse(model_name=self.name, outputs=[species])
