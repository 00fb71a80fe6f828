"""A stream of an hour: what is held of it, and what each frame says of it, stays bounded."""

import asyncio
import gc
import tracemalloc

import inferometer
from inferometer.catalog.stages import Kind, Stage
from inferometer.record.partition import partition
from inferometer.recorder.request import MAX_EXECUTES, current
from inferometer.recorder.waits import LIMIT, Waits
from inferometer.wire.layout import EXECUTES, INTERVALS

HEAD = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}


def token(number):
    return b'data: {"choices":[{"delta":{"content":"word %d"}}]}\n\n' % number


def stream(length, each):
    async def app(scope, receive, send):
        await send(HEAD)
        for number in range(length):
            each(number)
            await send({"type": "http.response.body", "body": token(number), "more_body": True})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})

    return app


def test_memory_does_not_grow_with_a_stream(bench, client):
    held = {}

    def each(number):
        if number in (2_000, 20_000):
            gc.collect()
            held[number] = tracemalloc.get_traced_memory()[0]

    class Reader(client):
        async def __call__(self, app):
            scope = {"type": "http", "method": "GET", "path": "/", "headers": []}

            async def send(message):
                pass

            await app(scope, None, send)

    tracemalloc.start()
    try:
        asyncio.run(Reader()(bench.wrap(stream(20_001, each))))
    finally:
        tracemalloc.stop()
    (record,) = bench.records()

    assert sum(count for _, count in record.gaps) == 20_000
    assert held[20_000] - held[2_000] < 20_000


def test_frames_of_a_long_stream_are_bounded_and_so_is_its_record(bench, client):
    told: list[int] = []

    def each(number):
        with inferometer.stage("execute"):
            pass
        if number % 500 == 0:
            told.append(len(list(bench.frame().rows(EXECUTES))))

    asyncio.run(client()(bench.wrap(stream(10_000, each))))
    frame = bench.frame()
    rows = list(frame.rows(EXECUTES))

    # Each frame says what began since the last one, and no more.
    assert max(told) <= 501
    assert sum(1 for row in rows if row[0]) <= MAX_EXECUTES
    # Only where this host had a slow moment, which looks like a slow reader.
    assert len(list(frame.rows(INTERVALS))) <= LIMIT


def test_ten_thousand_waits_for_a_reader_are_a_few_rows_and_their_time_is_exact(bench, client, monkeypatch):
    # A slow moment of this host is no wait.
    monkeypatch.setattr("inferometer.recorder.asgi_request.BLOCKED_NS", 10**12)
    waited = []

    def each(number):
        request = current()
        request.waits = request.waits or Waits()
        start = request.entry + number * 5_000
        request.waits.add(start, start + 3_000)
        waited.append(3_000)

    asyncio.run(client()(bench.wrap(stream(10_000, each))))
    (record,) = bench.records()
    divided = partition(record)
    begun = min(interval.start for interval in record.intervals)
    inside = sum(
        min(interval.end, record.end) - max(interval.start, record.start)
        for interval in record.intervals
        if interval.start < record.end
    )

    assert len(record.intervals) <= LIMIT
    assert {(interval.stage, interval.kind) for interval in record.intervals} == {(Stage.NETWORK, Kind.SEND)}
    assert sum(interval.end - interval.start for interval in record.intervals) == sum(waited)
    assert begun == record.start
    assert sum(divided.totals) == record.duration_ns
    assert divided.total(Stage.NETWORK) == inside
