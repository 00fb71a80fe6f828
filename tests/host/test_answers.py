"""Answers side by side: each has its own size, and the time that its client took to take it."""

import asyncio

from inferometer.record import Moment
from inferometer.recorder.asgi import recording

SLOW = 0.02
"""Seconds in which a client takes a part."""


async def receive():
    return {"type": "http.request", "body": b""}


async def send(message):
    await asyncio.sleep(0)


async def takes_its_time(message):
    if message["type"] == "http.response.body":
        await asyncio.sleep(SLOW)


def asking(bench, send):
    """Ask for ``/PARTS/SIZE``."""

    async def app(scope, receive, send):
        parts, size = map(int, scope["path"].split("/")[1:])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(1, parts + 1):
            await send({"type": "http.response.body", "body": b"x" * size, "more_body": number < parts})

    call = recording(bench.worker, lambda _, *asgi: app(*asgi))

    async def ask(path):
        await call(None, {"type": "http", "method": "GET", "path": path, "headers": []}, receive, send)

    return ask


def test_answers_at_the_same_time_have_their_own_sizes(bench):
    sizes = [(parts, size) for parts in (1, 2, 7) for size in range(1, 60)]
    ask = asking(bench, send)

    async def all_at_once():
        await asyncio.gather(*(ask(f"/{parts}/{size}") for parts, size in sizes))

    asyncio.run(all_at_once())
    found = [(record.chunks, record.bytes_out) for record in bench.records()]

    assert sorted(found) == sorted((parts, parts * size) for parts, size in sizes)


def test_the_time_in_which_a_client_takes_an_answer_is_the_requests(bench):
    asyncio.run(asking(bench, takes_its_time)("/1/10"))
    (record,) = bench.records()

    assert record.stamps[Moment.LAST] - record.stamps[Moment.RESPOND] >= SLOW * 10**9
    assert record.duration_ns >= SLOW * 10**9
