"""A model behind Ray Serve that knows nothing of inferometer; fleet.yaml beside this says where its page is.

Start it, ask it::

    ray start --head --metrics-export-port 8090
    serve run flowers:app --name flowers --app-dir examples/engines
    curl -s 127.0.0.1:8000 -H 'content-type: application/json' -d '{"row": [5.1, 3.5, 1.4, 0.2]}'
"""

from typing import Final

from ray import serve
from starlette.requests import Request

CENTROIDS: Final = ((5.006, 3.428, 1.462, 0.246), (5.936, 2.770, 4.260, 1.326), (6.588, 2.974, 5.552, 2.026))
"""Means of sepal length and width, petal length and width, in cm, of Fisher's irises, 50 flowers of each species."""


@serve.deployment(name="flowers", max_ongoing_requests=8)
class Flowers:
    """The nearest of three species."""

    async def __call__(self, request: Request) -> dict[str, int]:
        """Four lengths in cm; anything else is a bug of this model, answered with 500."""
        row = [float(length) for length in (await request.json())["row"]]
        distances = [sum((a - b) ** 2 for a, b in zip(row, centroid, strict=True)) for centroid in CENTROIDS]
        return {"species": distances.index(min(distances))}


app = Flowers.bind()
