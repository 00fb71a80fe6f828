"""Headers that nobody should send: the answer is the same, nothing of ours breaks, nothing grows."""

import asyncio
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inferometer.recorder.asgi import recording
from inferometer.recorder.sender import READ_HEADERS
from inferometer.wire.layout import SHAPE_FIELDS

NAMES = sorted({*READ_HEADERS, b"x-tenant", b"x-class"})
TRACEPARENT = b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01"
VALUES = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from([TRACEPARENT, b"inferometer=1", b"t=1700000000.123", b"1" * 400, b"-" * 100, b"=,;" * 100, b""]),
)
HEADERS = st.lists(st.tuples(st.sampled_from(NAMES) | st.binary(max_size=40), VALUES), max_size=30)


def ask(bench, headers):
    """Serve one request; the messages that the client got."""
    sent = []

    async def app(scope, receive, send):
        assert scope["headers"] is headers
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b"answer"})

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        sent.append(message)

    recorded = recording(bench.worker, lambda _, *asgi: app(*asgi))
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    asyncio.run(recorded(None, scope, receive, send))
    return sent


@given(HEADERS)
@example([(b"traceparent", TRACEPARENT)] * 2)
@example([(b"traceparent", TRACEPARENT), (b"tracestate", b"inferometer=1" * 1000)])
@example([(b"x-tenant", "\ud800".encode("utf-8", "surrogatepass")), (b"x-request-id", b"\xff\xfe")])
def test_no_headers_change_an_answer_or_break_a_record(make_bench, headers):
    bench = make_bench()
    start, body = ask(bench, headers)

    assert (start["status"], body["body"]) == (200, b"answer")
    assert start["headers"][0] == (b"a", b"b")
    (record,) = bench.records()
    assert bench.worker.hooks.errors() == {}
    assert bench.worker.buffers.drops() == {}
    assert 0 < record.trace_id < 1 << 128
    assert record.duration_ns >= 0
    for name in SHAPE_FIELDS:
        assert len(getattr(record.labels, "request_class" if name == "class" else name)) <= 200


@pytest.mark.parametrize("name", NAMES)
def test_a_header_of_a_megabyte_or_thirty_thousand_times_costs_little(bench, name):
    begun = time.thread_time()
    for headers in ([(name, b"x" * (1 << 20))], [(name, b"1" * 100)] * 30_000):
        ask(bench, headers)

    assert time.thread_time() - begun < 0.5
    assert bench.worker.hooks.errors() == {}
    for record in bench.records():
        assert len(record.external_id) <= 64
        assert len(record.labels.tenant) <= 200


def test_headers_that_are_no_bytes_are_the_servers_business(bench):
    for headers in ([("traceparent", "text")], [(None, None)], [(b"traceparent", None)], [(b"x-tenant", "text")]):
        ask(bench, headers)

    assert len(bench.records()) <= 4
