"""Deployed versions of the embedding model: loaded when first needed, called in batches."""

import asyncio
from collections.abc import Awaitable, Callable

import inferometer
from inferometer_compose.fleet.sentences import SentenceModel, Vector

# Eight texts take five to seven times as long as one (int8, one core): larger batches add waiting and save little.
MAX_BATCH = 8
MAX_WAIT_SECONDS = 0.004


class Version:
    """A deployed version of the model.

    Args:
        name: As requests and series name it.
        load: Reads the model; runs in a thread.
    """

    def __init__(self, name: str, load: Callable[[], SentenceModel]) -> None:
        self.name = name
        self._load = load
        self._loading = asyncio.Lock()
        self._model: SentenceModel | None = None
        self.states: Callable[[list[int]], Awaitable[Vector]] = inferometer.batch(
            max_size=MAX_BATCH, max_wait=MAX_WAIT_SECONDS
        )(self._states)
        """States of one text's tokens; calls of concurrent requests share a batch."""

    async def model(self) -> SentenceModel:
        """The model, loaded first if it is not there: concurrent callers wait for one load."""
        async with self._loading:
            if self._model is None:
                self._model = await asyncio.to_thread(self._load)
            return self._model

    def unload(self) -> None:
        """Forget the model; the next request pays for loading it."""
        self._model = None

    async def _states(self, batch: list[list[int]]) -> list[Vector]:
        model = await self.model()
        return await asyncio.to_thread(model.states, batch)


def deployed() -> dict[str, Version]:
    """The versions by name.

    ``v1`` cuts texts at 64 tokens, ``v2`` at 32, which long texts feel: a batch is as wide as its longest text.
    ``v3`` is the bad deployment: every text is padded to the model's 128 tokens and the graph runs as exported.
    """
    versions = (
        Version("v1", lambda: SentenceModel(max_tokens=64)),
        Version("v2", lambda: SentenceModel(max_tokens=32)),
        Version("v3", lambda: SentenceModel(padded=True, optimised=False)),
    )
    return {version.name: version for version in versions}
