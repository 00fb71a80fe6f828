"""What passes through a request: each answer has its own size and time, and what we cannot read goes on as it came."""

import asyncio

import pytest

from inferometer.record.model import Moment
from inferometer.recorder.asgi import recording

SLOW = 0.02
"""Seconds in which a client takes a part."""


class Odd:
    """Neither true nor false."""

    def __bool__(self):
        raise RuntimeError("theirs")


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


HANDED = [
    {},
    None,
    {"type": "http.request", "body": 5},
    {"type": "http.request", "body": b"x", "more_body": Odd()},
]
SENT = [
    {},
    None,
    {"type": "http.response.start", "status": "many"},
    {"type": "http.response.start", "status": 200, "headers": 5},
    {"type": "http.response.body", "body": 5},
    {"type": "http.response.body", "body": 5, "more_body": True},
    {"type": "http.response.body", "more_body": Odd()},
]


@pytest.mark.parametrize("message", HANDED)
def test_what_a_server_hands_over_reaches_the_application_as_it_is(bench, message):
    seen = []

    async def hands_over():
        return message

    async def app(scope, receive, send):
        seen.append(await receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    call = recording(bench.worker, lambda _, *asgi: app(*asgi))
    asyncio.run(call(None, {"type": "http", "method": "GET", "path": "/", "headers": []}, hands_over, send))

    assert seen == [message]
    assert [record.status for record in bench.records()] == [200]


@pytest.mark.parametrize("message", SENT)
def test_what_an_application_sends_reaches_the_server_as_it_is(bench, message):
    seen = []

    async def takes(message):
        seen.append(message)

    async def app(scope, receive, send):
        await send(message)

    call = recording(bench.worker, lambda _, *asgi: app(*asgi))
    asyncio.run(call(None, {"type": "http", "method": "GET", "path": "/", "headers": []}, receive, takes))

    assert seen == [message]
    assert len(bench.records()) == 1
