"""Requests that do not end as planned: cancelled in a stage, closed from elsewhere, given up half-way."""

import asyncio
import contextvars
import gc

import pytest

from inferometer.catalog.stages import Outcome, Stage
from inferometer.record.partition import partition
from inferometer.recorder.asgi import recording
from inferometer.recorder.marks import stage
from inferometer.recorder.request import current

SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": []}


async def receive():
    return {"type": "http.request", "body": b""}


async def send(message):
    pass


def recorded(bench, app):
    call = recording(bench.worker, lambda _, *asgi: app(*asgi))
    return lambda: call(None, dict(SCOPE), receive, send)


def assert_clean(bench):
    assert bench.worker.open == {}
    assert bench.worker.hooks.errors() == {}
    assert bench.worker.buffers.drops() == {}


def test_a_request_that_is_cancelled_in_a_stage_keeps_the_stage(bench):
    entered = asyncio.Event()

    async def app(scope, receive, send):
        with stage("preprocess"):
            entered.set()
            await asyncio.sleep(10)

    async def cancelled():
        task = asyncio.create_task(recorded(bench, app)())
        await entered.wait()
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    (record,) = bench.records()

    assert record.outcome is Outcome.CANCELLED
    assert partition(record).total(Stage.PREPROCESS) >= 20_000_000
    assert_clean(bench)


def test_a_request_that_another_context_closes_is_recorded_and_says_nothing(bench, caplog, capsys):
    async def app(scope, receive, send):
        with stage("preprocess"):
            await asyncio.Future()

    async def half_way():
        request = recorded(bench, app)()
        request.send(None)
        contextvars.copy_context().run(request.close)
        # Here it was set; nothing of it may stay behind.
        assert current() is None

    asyncio.run(half_way())
    (record,) = bench.records()

    assert record.status == 0
    assert_clean(bench)
    assert (caplog.text, capsys.readouterr().err) == ("", "")


def test_a_request_inside_of_another_one_that_another_context_closes(bench, caplog, capsys):
    async def waits(scope, receive, send):
        await asyncio.Future()

    async def app(scope, receive, send):
        inner = recorded(bench, waits)()
        inner.send(None)
        contextvars.copy_context().run(inner.close)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    asyncio.run(recorded(bench, app)())

    assert sorted(record.status for record in bench.records()) == [0, 200]
    assert_clean(bench)
    assert (caplog.text, capsys.readouterr().err) == ("", "")


def test_a_request_that_nobody_awaits_to_its_end_is_recorded_when_it_is_collected(bench, capsys):
    async def app(scope, receive, send):
        await asyncio.Future()

    async def forgotten():
        request = recorded(bench, app)()
        request.send(None)
        del request
        gc.collect()

    asyncio.run(forgotten())

    assert len(bench.records()) == 1
    assert_clean(bench)
    assert capsys.readouterr().err == ""


def test_a_stream_whose_generator_is_closed_by_another_task(bench, caplog, capsys):
    closed = []

    async def app(scope, receive, send):
        async def parts():
            try:
                while True:
                    with stage("postprocess"):
                        await asyncio.sleep(0)
                    yield b"x"
            finally:
                closed.append(current() is not None)

        stream = parts()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": await anext(stream), "more_body": True})
        await asyncio.create_task(stream.aclose(), context=contextvars.Context())
        await send({"type": "http.response.body", "body": b""})

    async def served():
        await recorded(bench, app)()

    asyncio.run(served())
    (record,) = bench.records()

    assert (record.outcome, closed) == (Outcome.OK, [False])
    assert_clean(bench)
    assert (caplog.text, capsys.readouterr().err) == ("", "")


def test_a_stage_belongs_to_the_request_in_which_it_began(bench):
    def tokens():
        with stage("postprocess"):
            yield 1

    begun = []

    async def begins(scope, receive, send):
        begun.append(tokens())
        next(begun[0])
        await recorded(bench, ends)()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ends(scope, receive, send):
        begun[0].close()
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    asyncio.run(recorded(bench, begins)())

    marked = {record.status: [mark.stage for mark in record.intervals] for record in bench.records()}
    assert marked == {200: [Stage.POSTPROCESS], 201: []}
    assert_clean(bench)


def test_a_stage_that_a_generator_never_leaves_ends_with_it(bench, capsys):
    async def app(scope, receive, send):
        def tokens():
            with stage("postprocess"):
                yield 1
                yield 2

        generator = tokens()
        next(generator)
        await asyncio.sleep(0.01)
        generator.close()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    asyncio.run(recorded(bench, app)())
    (record,) = bench.records()

    assert partition(record).total(Stage.POSTPROCESS) >= 10_000_000
    assert_clean(bench)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("raised", "outcome"),
    [
        (ExceptionGroup("theirs", [ValueError("a"), TimeoutError("b")]), Outcome.TIMEOUT),
        (BaseExceptionGroup("theirs", [asyncio.CancelledError(), ValueError("a")]), Outcome.SERVER_ERROR),
        (BaseExceptionGroup("theirs", [asyncio.CancelledError()]), Outcome.CANCELLED),
    ],
    ids=["with a timeout", "with an error", "only cancelled"],
)
def test_a_group_of_exceptions_passes_through_as_it_is(bench, raised, outcome):
    async def app(scope, receive, send):
        with stage("preprocess"):
            raise raised

    with pytest.raises(BaseExceptionGroup) as caught:
        asyncio.run(recorded(bench, app)())
    (record,) = bench.records()

    assert caught.value is raised
    assert record.outcome is outcome
    assert_clean(bench)
