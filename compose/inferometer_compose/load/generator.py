"""An open-loop load: requests leave when they are due, however slow the answers are."""

import asyncio
import random
import time
from collections.abc import Callable

import httpx

from inferometer_compose.load.counts import Counts
from inferometer_compose.load.requests import Order, orders

# Above it requests are skipped and counted: a stalled fleet must not fill the machine with open sockets.
MAX_OPEN = 256
TIMEOUT_SECONDS = 20.0
Report = Callable[[Counts, float], None]


async def run(
    base_url: str, *, rate_per_second: float, seconds: float, seed: int, report: Report, every_seconds: float = 0.5
) -> Counts:
    """Send requests for that long and wait for the last answers.

    Args:
        base_url: The gateway.
        rate_per_second: Mean rate; the gaps are exponential, as of many independent clients.
        seconds: How long new requests are sent.
        seed: Decides the requests and the gaps.
        report: Called with the counts so far.
        every_seconds: How often.
    """
    counts = Counts()
    gaps = random.Random(seed)  # noqa: S311 - the same load for the same seed, no secret
    limits = httpx.Limits(max_connections=MAX_OPEN, max_keepalive_connections=64)
    start = time.monotonic()
    async with httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT_SECONDS, limits=limits) as client:
        reporter = asyncio.create_task(_report(counts, report, start, every_seconds))
        open_requests: set[asyncio.Task[None]] = set()
        due = 0.0
        for order in orders(seed):
            due += gaps.expovariate(rate_per_second)
            if due > seconds:
                break
            await asyncio.sleep(max(0.0, start + due - time.monotonic()))
            if len(open_requests) >= MAX_OPEN:
                counts.skipped += 1
                continue
            counts.started(order.path, order.tenant)
            task = asyncio.create_task(_send(client, order, counts))
            open_requests.add(task)
            task.add_done_callback(open_requests.discard)
        await asyncio.gather(*open_requests)
        reporter.cancel()
    return counts


async def _send(client: httpx.AsyncClient, order: Order, counts: Counts) -> None:
    headers = {"content-type": order.content_type, "x-tenant": order.tenant}
    try:
        answer = await client.post(order.path, content=order.body, headers=headers)
    except httpx.HTTPError as error:
        counts.ended(type(error).__name__, ok=False)
    else:
        counts.ended(str(answer.status_code), ok=answer.is_success)


async def _report(counts: Counts, report: Report, start: float, every_seconds: float) -> None:
    while True:
        await asyncio.sleep(every_seconds)
        report(counts, time.monotonic() - start)
