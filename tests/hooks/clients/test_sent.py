"""What goes out with a call, with every HTTP client."""

import asyncio

import urllib3
from calling_requests import TRACE, within_a_request
from http_clients import Urllib3, opened
from scripted_origin import says


def test_headers_of_the_call_go_along_and_ours_are_added(worker, client, origin):
    incoming = [(b"traceparent", TRACE.encode()), (b"tracestate", b"them=1"), (b"baggage", b"user=7")]

    given = {"x-mine": "1"}

    async def act():
        async with opened(client) as made:
            await made.get(origin.answers(says()), given)

    record = within_a_request(worker, act, incoming)
    sent = {name.lower(): value for name, value in origin.asked[0].items()}

    assert given == {"x-mine": "1"}
    assert sent["traceparent"] == f"00-{'ab' * 16}-{record.calls[0].call_id:016x}-01"
    assert sent["tracestate"] == "inferometer=1,them=1"
    assert (sent["baggage"], sent["x-mine"]) == ("user=7", "1")


def test_what_somebody_else_put_there_stays(worker, client, origin):
    theirs = f"00-{'12' * 16}-{'34' * 8}-01"

    async def act():
        async with opened(client) as made:
            given = {"Traceparent": theirs, "Tracestate": "x=2", "Baggage": "mine=1"}
            await made.get(origin.answers(says(), says()), given)
            await made.get(origin.url, given)

    record = within_a_request(worker, act, [(b"baggage", b"user=7")])

    for asked in origin.asked:
        sent = {name.lower(): value for name, value in asked.items()}
        assert (sent["traceparent"], sent["baggage"]) == (theirs, "mine=1")
        assert sent["tracestate"] == "inferometer=1,x=2"
    # Two attempts cannot have one id: the second has one of its own.
    assert record.calls[0].call_id == int("34" * 8, 16) != record.calls[1].call_id


def test_headers_of_the_request_that_are_only_passed_on_are_replaced(worker, client, origin):
    incoming = {"traceparent": TRACE, "tracestate": "inferometer=1,them=1", "baggage": "user=7"}

    async def act():
        async with opened(client) as made:
            await made.get(origin.answers(says()), dict(incoming))

    record = within_a_request(worker, act, [(name.encode(), value.encode()) for name, value in incoming.items()])
    sent = {name.lower(): value for name, value in origin.asked[0].items()}

    assert sent == {**sent, **incoming, "traceparent": f"00-{'ab' * 16}-{record.calls[0].call_id:016x}-01"}
    assert record.calls[0].call_id != int("cd" * 8, 16)
    assert not record.calls[0].foreign


def test_outside_a_request_nothing_is_added(worker, client, origin):
    async def act():
        async with opened(client) as made:
            assert await made.get(origin.answers(says())) == (200, b"x")

    asyncio.run(act())

    assert not {"traceparent", "tracestate"} & {name.lower() for name in origin.asked[0]}


def test_a_header_that_is_given_twice_is_sent_twice(worker, origin):
    given = urllib3.HTTPHeaderDict([("x-mine", "1"), ("x-mine", "2")])

    async def act():
        async with opened(Urllib3) as made:
            await made.get(origin.answers(says()), given)

    within_a_request(worker, act)

    assert origin.lines[0].get_all("x-mine") == ["1", "2"]
    assert "traceparent" in origin.lines[0]
    assert list(given) == ["x-mine"]


def test_headers_of_a_caller_of_the_pool_stay_the_callers(worker, origin):
    given = {"x-mine": "1"}

    async def act():
        # As urllib3 does it for a tunnel: there it makes no copy.
        with urllib3.connection_from_url(origin.answers(says())) as pool:
            connection = pool._get_conn()
            pool._make_request(connection, "GET", "/", headers=given)
            connection.close()

    within_a_request(worker, act)

    assert given == {"x-mine": "1"}
    assert "traceparent" in origin.lines[0]


def test_a_body_that_is_sent_in_parts_arrives(worker, client, origin):
    def echo(handler):
        body = b""
        while size := int(handler.rfile.readline(), 16):
            body += handler.rfile.read(size)
            handler.rfile.readline()
        handler.rfile.readline()
        says(body=body)(handler)

    async def act():
        async with opened(client) as made:
            assert await made.send(origin.answers(echo), [b"a" * 1000, b"b" * 1000]) == b"a" * 1000 + b"b" * 1000

    (call,) = within_a_request(worker, act).calls

    assert (call.method, call.status) == ("POST", 200)
