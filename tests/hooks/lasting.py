"""Waits of applications that tests measure."""

import asyncio
import time


async def last(seconds: float) -> None:
    """Take no less: the loop's own sleep counts from when it last looked at the clock, which may be a while ago."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:  # noqa: ASYNC110 - nothing happens but time
        await asyncio.sleep(left)
