"""Deployments of Ray Serve: an ingress with FastAPI, one without, one that batches, one that others call."""

import asyncio
import time

from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from ray import serve

import inferometer
import inferometer.auto

app = FastAPI()
SMALL = {"num_cpus": 0.1}


@serve.deployment(ray_actor_options=SMALL, max_ongoing_requests=2)
class Embedder:
    """Called by others; two at a time."""

    async def embed(self, text: str) -> int:
        """The length of a text, after a while."""
        await asyncio.sleep(0.05)
        return len(text)

    def slow(self, text: str) -> int:
        """Synchronous."""
        with inferometer.stage("execute"):
            time.sleep(0.1)
        return len(text)

    async def parts(self, text: str):
        """A stream."""
        for letter in text:
            await asyncio.sleep(0.01)
            yield letter

    async def broken(self, text: str) -> int:
        """Raises."""
        raise ValueError(text)


@serve.deployment(ray_actor_options=SMALL, max_ongoing_requests=40)
@serve.ingress(app)
class Api:
    """The ingress."""

    def __init__(self, embedder) -> None:
        self.embedder = embedder

    @app.post("/embed/{name}")
    async def embed(self, name: str, body: dict) -> dict:  # noqa: ARG002 - of the route
        """Calls the other deployment."""
        return {"size": await self.embedder.embed.remote(body["text"])}

    @app.post("/slow")
    async def slow(self, body: dict) -> dict:
        """Calls its synchronous method."""
        return {"size": await self.embedder.slow.remote(body["text"])}

    @app.post("/parts")
    async def parts(self, body: dict) -> StreamingResponse:
        """Streams what the other deployment streams."""
        letters = self.embedder.options(stream=True).parts.remote(body["text"])
        return StreamingResponse(letters)

    @app.post("/broken")
    async def broken(self, body: dict) -> dict:
        """The other deployment raises."""
        return {"size": await self.embedder.broken.remote(body["text"])}

    @app.get("/missing")
    async def missing(self) -> dict:
        """An answer of 404."""
        raise HTTPException(404)

    @app.get("/forever")
    async def forever(self) -> dict:
        """Nobody waits that long."""
        await asyncio.sleep(20)
        return {}


@serve.deployment(ray_actor_options=SMALL)
class Plain:
    """No FastAPI."""

    async def __call__(self, request) -> dict:
        """The length of the body."""
        body = await request.body()
        if body == b"bug":
            raise RuntimeError("theirs")
        inferometer.annotate(version="7")
        return {"size": len(body)}


@serve.deployment(ray_actor_options=SMALL, max_ongoing_requests=40)
class Batched:
    """Four at a time."""

    @serve.batch(max_batch_size=4, batch_wait_timeout_s=0.1)
    async def many(self, texts: list[str]) -> list[int]:
        """The model."""
        await asyncio.sleep(0.03)
        if "bad" in texts:
            raise ValueError("bad batch")
        return [len(text) for text in texts]

    async def __call__(self, request) -> dict:
        """Its body is a text."""
        return {"size": await self.many((await request.body()).decode())}


apps = {
    "plain": (Plain.bind(), "/plain"),
    "batched": (Batched.bind(), "/batched"),
    "api": (Api.bind(Embedder.bind()), "/api"),
}
