"""What is sent again, redirected, hedged or never answered, with every HTTP client."""

import asyncio
import socket

import httpx
import pytest
import urllib3
from calling_requests import MS, within_a_request
from http_clients import Aiohttp, Async, Requests, Sync, Urllib3, opened
from requests.adapters import HTTPAdapter
from scripted_origin import says

from inferometer.catalog.stages import Outcome


def test_a_redirect_is_another_attempt_with_an_id_of_its_own(worker, client, origin):
    async def act():
        async with opened(client) as made:
            assert await made.get(origin.answers(says(302, location="/b"), says(body=b"there"))) == (200, b"there")

    record = within_a_request(worker, act)
    parents = [next(v for k, v in asked.items() if k.lower() == "traceparent")[36:52] for asked in origin.asked]

    assert [call.status for call in record.calls] == [302, 200]
    assert [f"{call.call_id:016x}" for call in record.calls] == parents
    assert len(set(parents)) == 2
    assert all(call.end for call in record.calls)


@pytest.mark.parametrize("library", [Requests, Urllib3], ids=["requests", "urllib3"])
def test_retries_of_the_library_are_attempts(worker, library, origin):
    retry = urllib3.Retry(3, status_forcelist=[503], backoff_factor=0)

    async def act():
        async with opened(library) as made:
            if library is Requests:
                made.client.mount("http://", HTTPAdapter(max_retries=retry))
            else:
                made.client = urllib3.PoolManager(retries=retry)
            assert await made.get(origin.answers(says(503), says(503), says())) == (200, b"x")

    record = within_a_request(worker, act)

    assert [(call.attempt, call.status) for call in record.calls] == [(1, 503), (2, 503), (3, 200)]
    assert len({call.call_id for call in record.calls}) == 3


def test_a_request_that_is_sent_again_has_another_id(worker, origin):
    async def act():
        async with httpx.AsyncClient() as made:
            request = made.build_request("GET", origin.answers(says(), says()))
            for _ in range(2):
                await made.send(request)

    record = within_a_request(worker, act)
    parents = [asked["traceparent"][36:52] for asked in origin.asked]

    assert [f"{call.call_id:016x}" for call in record.calls] == parents
    assert len(set(parents)) == 2


def test_a_response_that_somebody_makes_after_a_failed_attempt_is_not_its_answer(worker):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"

        async def act():
            pools = urllib3.PoolManager(retries=False)
            with pytest.raises(urllib3.exceptions.HTTPError):
                pools.request("GET", url)
            assert urllib3.HTTPResponse(b"mocked", status=200).data == b"mocked"

        (call,) = within_a_request(worker, act).calls

    assert (call.status, call.headers) == (0, 0)


@pytest.mark.parametrize("library", [Async, Sync], ids=["asynchronous", "synchronous"])
def test_connections_that_the_transport_tries_again_are_attempts(worker, library):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

        async def act():
            async with opened(library) as made:
                kind = httpx.AsyncHTTPTransport if library is Async else httpx.HTTPTransport
                made.client._mounts[httpx._utils.URLPattern("http://")] = kind(retries=1)
                with pytest.raises(httpx.ConnectError):
                    await made.get(f"http://127.0.0.1:{port}/")

        record = within_a_request(worker, act)

    assert sorted((call.attempt, call.status) for call in record.calls) == [(1, 0), (2, 0)]
    first, second = sorted(record.calls, key=lambda call: call.start)
    assert first.end <= second.start


def test_an_attempt_that_times_out_is_told_and_the_error_is_theirs(worker, client, origin):
    async def act():
        async with opened(client) as made:
            with pytest.raises(client.timeouts):
                await made.get(origin.answers(says(seconds=3)), seconds=0.15)

    (call,) = within_a_request(worker, act).calls

    assert (call.status, call.outcome) == (0, Outcome.TIMEOUT)
    assert 0.14e9 < call.end - call.start < 2.9e9


def test_nobody_listens(worker, client):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

        async def act():
            async with opened(client) as made:
                with pytest.raises(client.refused):
                    await made.get(f"http://127.0.0.1:{port}/")

        record = within_a_request(worker, act)

    (call,) = record.calls

    assert (call.status, call.attempt, call.outcome) == (0, 1, Outcome.SERVER_ERROR)
    assert call.start <= call.sent < call.end


@pytest.mark.parametrize("library", [Async, Aiohttp], ids=["httpx", "aiohttp"])
def test_of_two_hedged_attempts_the_one_that_is_cancelled_shows(worker, library, origin):
    async def act():
        async with opened(library) as made:
            origin.answers(says(seconds=3), says(seconds=0.05))
            slow = asyncio.create_task(made.get(origin.url))
            await asyncio.to_thread(origin.wait)
            fast = asyncio.create_task(made.get(origin.url))
            done, _ = await asyncio.wait((slow, fast), return_when=asyncio.FIRST_COMPLETED)
            assert done == {fast}
            slow.cancel()
            with pytest.raises(asyncio.CancelledError):
                await slow

    slow, fast = within_a_request(worker, act).calls

    assert (slow.status, fast.status) == (0, 200)
    assert (slow.outcome, fast.outcome) == (Outcome.CANCELLED, None)
    assert slow.start < fast.start < fast.end <= slow.end < slow.start + 2900 * MS
