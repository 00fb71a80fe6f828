"""A request may mark what it likes: what is kept of it is bounded, and what is not kept is counted."""

import asyncio

import pytest

import inferometer.recorder.asgi
from inferometer.record.partition import partition
from inferometer.recorder.asgi import recording
from inferometer.recorder.buffers import BUFFER_FULL
from inferometer.recorder.marks import annotate, stage
from inferometer.recorder.request import MAX_EXECUTES, MAX_INTERVALS
from inferometer.recorder.shapes import MAX_SHAPES

SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": []}


async def receive():
    return {"type": "http.request", "body": b""}


async def send(message):
    pass


def serve(bench, act, count=1):
    async def app(scope, receive, send):
        act()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def requests():
        recorded = recording(bench.worker, lambda _, *asgi: app(*asgi))
        for _ in range(count):
            await recorded(None, dict(SCOPE), receive, send)

    asyncio.run(requests())


def test_ten_thousand_stages_of_one_request(bench):
    def act():
        for _ in range(10_000):
            with stage("preprocess"):
                pass

    serve(bench, act)
    (record,) = bench.records()

    assert len(record.intervals) == MAX_INTERVALS
    assert bench.worker.buffers.drops() == {BUFFER_FULL: 10_000 - MAX_INTERVALS}
    assert sum(partition(record).totals) == record.duration_ns
    assert len(partition(record).segments) <= 16


def test_ten_thousand_executes_of_one_request(bench):
    def act():
        for _ in range(10_000):
            bench.worker.executes.end(bench.worker.executes.begin("box", model="m"))

    serve(bench, act)
    (record,) = bench.records()

    assert len(record.executes) <= MAX_EXECUTES


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model", "tenant", "request_class"])
def test_a_name_of_its_own_for_every_request(bench, name):
    names = iter(range(100_000))
    bench.worker.buffers.limit = 100_000

    def act():
        annotate(**{name: f"name-{next(names)}"})

    serve(bench, act, 100_000)
    records = bench.records()

    assert len(records) == 100_000
    assert len({getattr(record.labels, name) for record in records}) <= MAX_SHAPES + 1
    assert {record.labels.model for record in records[-10:]} <= {"other", ""} or name != "model"
    assert len(bench.worker.shapes.all().shapes) <= 3 * MAX_SHAPES


def test_a_plain_application_whose_recording_breaks_is_served_without_it(monkeypatch):
    calls = []

    def breaks(*_):
        calls.append(1)
        raise RuntimeError("ours")

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    monkeypatch.setattr(inferometer.recorder.asgi, "AsgiRequest", breaks)
    wrapped = inferometer.recorder.asgi.asgi(app)
    worker = inferometer.recorder.asgi.worker_of_this_process()
    before, worker.started = worker.started, True
    errors = worker.hooks.errors().get("asgi", 0)
    sent = []

    async def collect(message):
        sent.append(message)

    try:
        for _ in range(3):
            asyncio.run(wrapped(dict(SCOPE), receive, collect))
    finally:
        worker.started = before

    assert [message["status"] for message in sent] == [200] * 3
    assert (len(calls), worker.hooks.errors()["asgi"] - errors) == (1, 1)
    worker.hooks.set("asgi", "active")
