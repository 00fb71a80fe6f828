"""A model behind Ray Serve, recorded from the proxy to the batch.

Start it, ask it::

    INFEROMETER_ENABLED=1 serve run ray_serve:app --app-dir examples
    curl -s 127.0.0.1:8000 -d 'how many words'

The line alone makes the replicas record; the variable, which Ray hands on to all that it starts, the proxy too.
"""

from ray import serve
from starlette.requests import Request

import inferometer.auto  # noqa: F401 - wherever this module deploys to


@serve.deployment(max_ongoing_requests=64)
class Counter:
    """The model; its name is that of the class."""

    @serve.batch(max_batch_size=8, batch_wait_timeout_s=0.01)
    async def _count(self, texts: list[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    async def __call__(self, request: Request) -> dict[str, int]:
        """One text; up to eight are counted together."""
        return {"words": await self._count((await request.body()).decode())}


app = Counter.bind()
