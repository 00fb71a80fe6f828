"""The example, and a deployment in whose process our hooks have a defect."""

import ray_serve
from ray import serve

import inferometer.hooks.ray_serve_batching
import inferometer.hooks.ray_serve_replica


def broken(*_args, **_kwargs):
    """What a defect of ours would do."""
    raise RuntimeError("ours")


@serve.deployment(ray_actor_options={"num_cpus": 0.1})
class Defective:
    """Breaks the hooks of its replica when it is made."""

    def __init__(self) -> None:
        inferometer.hooks.ray_serve_batching.RunningBatch = broken
        inferometer.hooks.ray_serve_replica.HttpRequest = broken

    @serve.batch(max_batch_size=4, batch_wait_timeout_s=0.01)
    async def many(self, texts: list[str]) -> list[int]:
        """The model."""
        return [len(text) for text in texts]

    async def __call__(self, request) -> dict:
        """Its body is a text."""
        return {"size": await self.many((await request.body()).decode())}


apps = {"only": (ray_serve.app, "/"), "defective": (Defective.bind(), "/defective")}
