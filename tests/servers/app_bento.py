"""Services of BentoML: one that batches, and one in front of it."""

import asyncio
import time

import bentoml
from pydantic import BaseModel

import inferometer
import inferometer.auto


class Text(BaseModel):
    """What the service is asked."""

    text: str
    times: int = 1


@bentoml.service(workers=1)
class Embedder:
    """The model."""

    @bentoml.api(batchable=True, max_batch_size=4, max_latency_ms=10_000)
    def encode(self, texts: list[str]) -> list[int]:
        """A batch takes 50 ms."""
        time.sleep(0.05)
        if "bad" in texts:
            raise ValueError("bad batch")
        return [len(text) for text in texts]


@bentoml.service(workers=1, threads=1, traffic={"timeout": 2, "max_concurrency": 12})
class Gateway:
    """In front of it."""

    embedder = bentoml.depends(Embedder)

    @bentoml.api
    async def ask(self, text: str) -> int:
        """Asks the other service."""
        return (await self.embedder.to_async.encode([text]))[0]

    @bentoml.api
    def work(self, text: Text) -> Text:
        """One thread for all, 50 ms each."""
        inferometer.annotate(version="3")
        time.sleep(0.05)
        return Text(text=text.text * text.times)

    @bentoml.api
    async def stream(self, count: int) -> str:
        """Parts."""
        for number in range(count):
            await asyncio.sleep(0.01)
            yield f"{number};"

    @bentoml.api
    def parts(self, count: int) -> str:
        """Parts from a thread."""
        for number in range(count):
            time.sleep(0.01)
            yield f"{number};"

    @bentoml.api
    async def broken(self) -> int:
        """Raises."""
        raise RuntimeError("theirs")

    @bentoml.api
    async def slow(self, seconds: float) -> int:
        """Takes its time."""
        await asyncio.sleep(seconds)
        return 1
