"""A deployment whose replica takes requests in itself: one at a time, and one more may wait."""

import asyncio

from fastapi import FastAPI
from ray import serve

import inferometer
import inferometer.auto

app = FastAPI()


@serve.deployment(ray_actor_options={"num_cpus": 0.1}, max_ongoing_requests=1, max_queued_requests=1)
@serve.ingress(app)
class Direct:
    """The ingress."""

    @app.post("/embed/{name}")
    async def embed(self, name: str, body: dict) -> dict:
        """The length of a text, after a while."""
        inferometer.annotate(version=name)
        await asyncio.sleep(0.2)
        return {"size": len(body["text"])}


apps = {"direct": (Direct.bind(), "/direct")}
