"""What runs beside the embedder while it has a fault: other work, a throttle, an unloader."""

import asyncio
import contextlib
import contextvars
import os
import sys
from collections.abc import Coroutine, Mapping

from inferometer_compose.faults import Fault
from inferometer_compose.fleet.versions import MAX_BATCH, Version

# Six batches ahead of every request: about 150 ms of waiting on one core.
_BACKGROUND_TEXTS = 6 * MAX_BATCH
_BACKGROUND_TOKENS = list(range(1000, 1024))
_UNLOAD_EVERY_SECONDS = 2.0


class Disturbances:
    """Starts and stops what a fault needs beside the switch.

    Args:
        versions: The embedder's versions, by name.
    """

    def __init__(self, versions: Mapping[str, Version]) -> None:
        self._versions = versions
        self._tasks: list[asyncio.Task[None]] = []
        self._throttle: asyncio.subprocess.Process | None = None

    async def follow(self, fault: Fault | None) -> None:
        """End what the last fault needed and start what this one needs."""
        await self._stop()
        if fault is Fault.SLOW_QUEUE:
            for version in ("v1", "v2"):
                for _ in range(_BACKGROUND_TEXTS // 2):
                    self._start(_background(self._versions[version]))
        elif fault is Fault.COLD_START:
            self._start(self._unload())
        elif fault is Fault.BAD_DEPLOY:
            await self._versions["v3"].model()
        elif fault is Fault.CPU_THROTTLE:
            command = (sys.executable, "-m", "inferometer_compose.fleet.throttle", str(os.getpid()))
            self._throttle = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)

    def _start(self, work: Coroutine[object, object, None]) -> None:
        # A context of its own: it must not count as work of the request that switched the fault.
        self._tasks.append(asyncio.get_running_loop().create_task(work, context=contextvars.Context()))

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._throttle is not None:
            with contextlib.suppress(ProcessLookupError):
                self._throttle.terminate()
            await self._throttle.wait()
            self._throttle = None

    async def _unload(self) -> None:
        while True:
            for version in self._versions.values():
                version.unload()
            await asyncio.sleep(_UNLOAD_EVERY_SECONDS)


async def _background(version: Version) -> None:
    while True:
        await version.states(_BACKGROUND_TOKENS)
