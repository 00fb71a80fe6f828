"""A deployment of Ray Serve as its users write it."""

import asyncio

from plain_iris import classify
from ray import serve


@serve.deployment(ray_actor_options={"num_cpus": 0.1}, max_ongoing_requests=40)
class Iris:
    """The model."""

    async def __call__(self, request) -> dict:
        """The species of a flower."""
        body = await request.json()
        return {"species": await asyncio.to_thread(classify, body["row"])}


apps = {"iris": (Iris.bind(), "/iris")}
