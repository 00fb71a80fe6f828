"""Where the time of a call went, with every HTTP client."""

import asyncio
import threading
import time

import aiohttp
import httpx
import pytest
import urllib3
from calling_requests import MS, POOL, REMOTE, TRACE, TRANSIT, times, within_a_request
from http_clients import Aiohttp, Requests, Urllib3, opened
from scripted_origin import delayed, says

from inferometer.catalog.stages import Outcome
from inferometer.record.model import Flag


def test_two_hops_add_up(worker, client, callee):
    async def act():
        async with opened(client) as made:
            status, _ = await made.get(f"http://127.0.0.1:{callee.port}/slow")
            assert status == 200

    taken = []
    (theirs,) = callee.recorded(lambda: taken.append(within_a_request(worker, act, [(b"traceparent", TRACE.encode())])))
    (call,) = taken[0].calls
    found = times(taken[0])

    assert (theirs.trace_id, theirs.parent_id) == (taken[0].trace_id, call.call_id)
    assert not theirs.flags & Flag.ENTRY
    assert (call.target, call.method, call.status) == (f"127.0.0.1:{callee.port}", "GET", 200)
    assert 295 * MS <= call.server_ns <= theirs.duration_ns
    assert call.sent <= call.headers <= call.end
    assert found[REMOTE] == pytest.approx((call.server_ns + call.end - call.headers) / MS)
    assert abs(found[REMOTE] + found.get(TRANSIT, 0) - (call.end - call.sent) / MS) < 0.01


def test_a_slow_line_is_the_networks(worker, client, callee):
    async def act():
        with delayed(callee.port, 0.06) as port:
            async with opened(client) as made:
                await made.get(f"http://127.0.0.1:{port}/slow")

    record = within_a_request(worker, act)
    (call,) = record.calls
    found = times(record)

    assert found[TRANSIT] >= 118
    assert found[TRANSIT] == pytest.approx((call.headers - call.sent - call.server_ns) / MS)
    assert found[REMOTE] == pytest.approx((call.server_ns + call.end - call.headers) / MS)
    assert found.get(POOL, 0) < 50


def test_a_pool_of_one_connection_is_a_queue_and_only_that(worker, client, callee):
    async def act():
        async with opened(client, 1) as made:
            url = f"http://127.0.0.1:{callee.port}/slow"
            await made.get(url)
            await asyncio.gather(*(made.get(url) for _ in range(2)))

    record = within_a_request(worker, act)
    first, *pair = sorted(record.calls, key=lambda call: call.end)

    assert [(call.status, call.attempt) for call in record.calls] == [(200, 1)] * 3
    waited = sum(call.sent - call.start for call in pair)
    # On a busy host the second of them may begin later: it waits so much less.
    later = abs(pair[0].start - pair[1].start)
    assert waited + later >= 290 * MS
    assert max(first.sent - first.start, *(call.headers - call.sent - call.server_ns for call in pair)) < waited / 2
    assert times(record)[POOL] >= 250 - later / MS


def test_one_who_never_gets_a_connection_waited_in_the_pool(worker, client, origin):
    given_up = threading.Event()

    def answers(handler):
        assert given_up.wait(10)
        says()(handler)

    async def act():
        async with opened(client, 1) as made:
            held = asyncio.create_task(made.get(origin.answers(answers)))
            await asyncio.to_thread(origin.wait)
            with pytest.raises((httpx.PoolTimeout, urllib3.exceptions.EmptyPoolError, TimeoutError)):
                await waits(made, origin.url)
            given_up.set()
            await held

    record = within_a_request(worker, act)
    held, waiting = record.calls

    assert (held.status, waiting.status) == (200, 0)
    assert waiting.outcome is Outcome.TIMEOUT
    assert waiting.sent == waiting.end
    assert waiting.end - waiting.start >= 90 * MS


async def waits(made, url):
    """Ask for a connection, for a tenth of a second."""
    if isinstance(made, Urllib3 | Requests):
        pools = (made.client if isinstance(made, Urllib3) else made.client.get_adapter(url).poolmanager).pools
        await asyncio.to_thread(pools[next(iter(pools.keys()))].urlopen, "GET", "/", pool_timeout=0.1, retries=False)
    elif isinstance(made, Aiohttp):
        await made.client.get(url, timeout=aiohttp.ClientTimeout(total=5, connect=0.1))
    else:
        await made.get(url, seconds=httpx.Timeout(5, pool=0.1))


def test_a_callee_that_says_nothing_is_remote_as_a_whole(worker, client, origin):
    async def act():
        async with opened(client) as made:
            await made.get(origin.answers(says(seconds=0.05)))

    found = times(within_a_request(worker, act))

    assert found[REMOTE] >= 50
    assert TRANSIT not in found


@pytest.mark.parametrize(
    "timing",
    ["inferometer;dur=1e400", "inferometer;dur=-5", "inferometer;dur=" + "9" * 4000, "inferometer", "a,,;;=,\tb;dur=1"],
    ids=["an exponent", "below 0", "digits", "no time", "rubbish"],
)
def test_a_hostile_time_is_no_time(worker, client, origin, timing):
    async def act():
        async with opened(client) as made:
            await made.get(origin.answers(says(server_timing=timing)))

    assert within_a_request(worker, act).calls[0].server_ns == 0


def test_a_callee_that_claims_more_time_than_there_was_leaves_none_to_the_network(worker, client, origin):
    async def act():
        async with opened(client) as made:
            await made.get(origin.answers(says(server_timing="db;dur=1, inferometer;dur=3600000.5")))

    record = within_a_request(worker, act)

    assert record.calls[0].server_ns == 3_600_000_500_000
    assert TRANSIT not in times(record)


def test_an_answer_ends_with_its_body(worker, client, origin):
    ending = []

    def slowly(handler):
        handler.send_response(200)
        handler.send_header("content-length", "3")
        handler.end_headers()
        for part in (b"a", b"b", b"c"):
            ending.append(time.monotonic_ns())
            handler.wfile.write(part)
            handler.wfile.flush()
            time.sleep(0.05)

    async def act():
        async with opened(client) as made:
            await made.read(origin.answers(slowly), 0.0)

    (call,) = within_a_request(worker, act).calls

    assert call.status == 200
    # The last part was written a tenth of a second after the headers.
    assert call.headers < ending[-1] <= call.end
