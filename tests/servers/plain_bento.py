"""A service of BentoML as its users write it."""

import bentoml
from plain_iris import classify


@bentoml.service(workers=1, threads=8)
class Iris:
    """The model."""

    @bentoml.api
    def classify(self, row: list[float]) -> int:
        """The species of a flower."""
        return classify(row)
