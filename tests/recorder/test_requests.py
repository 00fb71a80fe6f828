"""A request becomes one record with the right moments, names and outcome, whatever the application does."""

import asyncio
import random
import time

import pytest

from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.record.model import Flag, Moment
from inferometer.record.partition import partition
from inferometer.recorder.asgi_request import AsgiRequest
from inferometer.recorder.hook_states import FAILED
from inferometer.recorder.marks import annotate, stage
from inferometer.recorder.request import OpenRequest, current
from inferometer.recorder.worker import ASGI_HOOK
from inferometer.wire.layout import OPEN, REQUESTS

TRACE = b"0af7651916cd43dd8448eb211c80319c"
PARENT = b"b7ad6b7169203331"
TRACEPARENT = b"00-" + TRACE + b"-" + PARENT + b"-01"
OURS = (b"tracestate", b"vendor=7,inferometer=1")


def run(coroutine):
    return asyncio.run(coroutine)


def test_a_plain_request_has_its_moments_in_order(bench, client, answer):
    run(client(headers=((b"x-tenant", b"acme"),))(bench.wrap(answer(parts=(b"done",)))))
    (record,) = bench.records()
    moments = [Moment.ENTRY, Moment.BODY_START, Moment.BODY_END, Moment.RESPOND, Moment.LAST, Moment.DONE]
    stamps = [record.stamps[moment] for moment in moments]

    assert stamps == sorted(stamps)
    assert all(stamps)
    assert (record.outcome, record.status, record.bytes_in, record.bytes_out) == (Outcome.OK, 200, 2, 4)
    assert (record.labels.service, record.labels.tenant, record.labels.method) == ("tested", "acme", "POST")
    assert record.flags == Flag.ENTRY
    assert sum(partition(record).totals) == record.duration_ns
    assert record.first_chunk_ns is None


def test_a_stream_says_when_its_first_part_left_and_what_the_client_made_it_wait(bench, client, answer):
    run(client(send_seconds=0.003)(bench.wrap(answer(parts=(b"", b"a", b"b", b"")))))
    (record,) = bench.records()

    assert record.flags & Flag.STREAM
    assert record.chunks == 2
    assert record.first_chunk_ns is not None
    assert record.first_chunk_ns < record.duration_ns
    waits = [(interval.stage, interval.kind) for interval in record.intervals]
    assert waits == [(Stage.NETWORK, Kind.SEND)] * 3
    assert partition(record).total(Stage.NETWORK) >= 9_000_000


def test_ten_thousand_parts_of_a_slow_reader_stay_bounded(bench, client, answer):
    run(client(send_seconds=0.0)(bench.wrap(answer(parts=(b"x",) * 10_000))))
    (record,) = bench.records()

    assert record.chunks == 10_000
    assert len(record.intervals) <= 16


def test_a_single_part_that_comes_as_a_stream_is_none(bench, client, answer):
    run(client()(bench.wrap(answer(parts=(b"all", b"")))))
    (record,) = bench.records()

    assert not record.flags & Flag.STREAM


def test_a_background_task_is_outside_the_duration(bench, client, answer):
    app, answered = answer(), []

    async def with_background(scope, receive, send):
        await app(scope, receive, send)
        answered.append(time.monotonic_ns())
        await asyncio.sleep(0.05)

    run(client()(bench.wrap(with_background)))
    (record,) = bench.records()

    assert record.start + record.duration_ns <= answered[0]
    assert record.stamps[Moment.DONE] - record.stamps[Moment.LAST] >= 50_000_000


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(RuntimeError, Outcome.SERVER_ERROR), (TimeoutError, Outcome.TIMEOUT)],
    ids=["bug", "timeout"],
)
def test_what_the_application_raises_is_recorded_and_raised(bench, client, error, outcome):
    async def broken(scope, receive, send):
        raise error("theirs")

    with pytest.raises(error, match="theirs"):
        run(client()(bench.wrap(broken)))
    (record,) = bench.records()

    assert (record.outcome, record.status) == (outcome, 0)
    assert bench.worker.hooks.errors() == {}
    assert not bench.worker.open


def test_a_client_that_leaves_in_the_middle_of_a_stream_cancelled_it(bench, client):
    leaves = asyncio.Event()

    async def endless(scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        gone = asyncio.ensure_future(receive())
        while not gone.done():
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.sleep(0.001)
            leaves.set()

    run(client(leaves=leaves)(bench.wrap(endless)))
    (record,) = bench.records()

    assert record.outcome is Outcome.CANCELLED
    assert record.stamps[Moment.LAST] == 0


def test_a_cancelled_request_is_cancelled_and_after_the_timeout_it_timed_out(bench, client):
    async def hanging(scope, receive, send):
        await asyncio.sleep(60)

    async def give_up():
        task = asyncio.ensure_future(client()(bench.wrap(hanging)))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(give_up())
    bench.worker.timeout_ns = 10_000_000
    run(give_up())

    assert [record.outcome for record in bench.records()] == [Outcome.CANCELLED, Outcome.TIMEOUT]


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (503, ((b"Retry-After", b"1"),), Outcome.REJECTED),
        (503, (), Outcome.SERVER_ERROR),
        (429, (), Outcome.REJECTED),
        (404, (), Outcome.CLIENT_ERROR),
    ],
)
def test_the_answer_says_the_outcome(bench, client, answer, status, headers, outcome):
    run(client()(bench.wrap(answer(status=status, headers=headers))))
    (record,) = bench.records()

    assert (record.outcome, record.status) == (outcome, status)


def test_a_callers_trace_goes_on_and_the_caller_hears_how_long_it_took(bench, client, answer):
    asked = run(client(headers=((b"traceparent", TRACEPARENT), OURS))(bench.wrap(answer())))
    (record,) = bench.records()

    assert f"{record.trace_id:032x}".encode() == TRACE
    assert f"{record.parent_id:016x}".encode() == PARENT
    assert record.flags == Flag.SAMPLED
    headers = dict(asked.sent[0]["headers"])
    own = record.stamps[Moment.RESPOND] - record.stamps[Moment.ENTRY]
    assert headers[b"server-timing"] == b"inferometer;dur=%d.%06d" % divmod(own, 10**6)


@pytest.mark.parametrize(
    "headers",
    [
        ((b"traceparent", TRACEPARENT),),
        (OURS,),
        ((b"traceparent", b"00-zz"), OURS),
        ((b"traceparent", TRACEPARENT), (b"traceparent", TRACEPARENT), OURS),
        (),
    ],
    ids=["a stranger's trace", "no trace", "no valid trace", "two traces", "nothing"],
)
def test_strangers_learn_nothing_and_are_entries(bench, client, answer, headers):
    asked = run(client(headers=headers)(bench.wrap(answer())))
    (record,) = bench.records()

    assert asked.sent[0]["headers"] == []
    assert record.flags & Flag.ENTRY


def test_hostile_headers_are_harmless(bench, client, answer):
    hostile = ((b"traceparent", b"\xff" * 70_000), (b"tracestate", b"," * 70_000), (b"x-tenant", b"\x00\xff" * 40_000))
    run(client(headers=hostile)(bench.wrap(answer())))
    (record,) = bench.records()

    assert record.outcome is Outcome.OK
    assert len(record.labels.tenant) == 200
    assert bench.worker.hooks.errors() == {}


def test_annotations_and_marked_stages_are_those_of_the_request(bench, client, answer):
    async def inside():
        with stage("preprocess"):
            time.sleep(0.002)  # noqa: ASYNC251 - it is to block
        async with stage("postprocess"):
            await asyncio.sleep(0.002)
        await asyncio.to_thread(mark_in_thread)
        annotate(model="minilm", version="2", tenant="globex", request_class="batch", cache_hit=True, degraded=True)

    def mark_in_thread():
        with stage("preprocess"):
            time.sleep(0.002)

    run(client(headers=((b"x-tenant", b"acme"),))(bench.wrap(answer(before=inside))))
    (record,) = bench.records()

    labels = record.labels
    assert (labels.model, labels.version, labels.tenant, labels.request_class) == ("minilm", "2", "globex", "batch")
    assert record.outcome is Outcome.DEGRADED
    assert record.flags & Flag.CACHE_HIT
    parts = partition(record)
    assert parts.total(Stage.PREPROCESS) >= 4_000_000
    assert parts.total(Stage.POSTPROCESS) >= 2_000_000


def test_a_warm_up_and_a_rejection_are_annotated(bench, client, answer):
    async def warm():
        annotate(warmup=True)

    async def busy():
        annotate(rejected=True)

    run(client()(bench.wrap(answer(before=warm))))
    run(client()(bench.wrap(answer(status=500, before=busy))))
    first, second = bench.records()

    assert first.flags & Flag.WARMUP
    assert second.outcome is Outcome.REJECTED


def test_outside_a_request_marks_do_nothing():
    annotate(model="m")
    with stage("preprocess"):
        pass

    assert current() is None


def test_an_unknown_stage_is_one_warning_and_no_error(caplog):
    for _ in range(3):
        with stage("preproces"):
            pass

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "there are network, queue" in caplog.text


def test_an_ended_request_takes_no_marks(bench, client, answer):
    kept: list[OpenRequest] = []

    async def keep():
        kept.append(current())

    run(client()(bench.wrap(answer(before=keep))))
    (request,) = kept
    request.add_interval(1, 2, Stage.PREPROCESS)
    bench.records()

    assert bench.records() == []


def test_probes_are_not_recorded(bench, client, answer):
    run(client(path="/healthz")(bench.wrap(answer())))

    assert bench.records() == []


def test_nested_applications_are_one_request(bench, client, answer):
    run(client()(bench.wrap(bench.wrap(answer()))))

    assert len(bench.records()) == 1


def test_after_a_request_inside_of_another_one_the_outer_one_is_current(bench, client, answer):
    seen = []

    async def outer(scope, receive, send):
        opened = current()
        await client()(bench.wrap(answer()))
        seen.append(current() is opened and opened is not None)
        await answer()(scope, receive, send)

    run(client()(bench.wrap(outer)))

    assert seen == [True]
    assert len(bench.records()) == 2


def test_between_the_requests_of_one_task_none_is_current(bench, client, answer):
    async def one_after_the_other():
        seen = []
        for _ in range(3):
            await client()(bench.wrap(answer()))
            seen.append(current())
        return seen

    assert run(one_after_the_other()) == [None] * 3
    assert len(bench.records()) == 3


def test_a_request_whose_record_is_lost_is_not_current_any_more(bench, client, answer, monkeypatch):
    monkeypatch.setattr(OpenRequest, "shape", lambda _: 1 / 0)

    async def then_what_is_current():
        await client()(bench.wrap(answer()))
        return current()

    assert run(then_what_is_current()) is None


def test_ids_do_not_follow_the_global_seed(bench, client, answer):
    for _ in range(2):
        random.seed(0)
        run(client()(bench.wrap(answer())))
    first, second = bench.records()

    assert first.trace_id != second.trace_id
    assert first.span_id != second.span_id


def test_a_failure_of_ours_loses_the_record_and_not_the_answer(bench, client, answer, monkeypatch, caplog):
    monkeypatch.setattr(OpenRequest, "shape", lambda _: 1 / 0)
    asked = run(client()(bench.wrap(answer())))
    run(client()(bench.wrap(answer())))

    assert [message["type"] for message in asked.sent] == ["http.response.start", "http.response.body"]
    assert bench.worker.hooks.errors() == {ASGI_HOOK: 2}
    assert bench.worker.hooks.statuses() == {ASGI_HOOK: FAILED}
    assert bench.worker.buffers.drops() == {"buffer_full": 2}
    assert not bench.worker.open
    assert len(caplog.records) == 1


def test_a_request_that_cannot_begin_is_served(bench, client, answer, monkeypatch, caplog):
    monkeypatch.setattr(AsgiRequest, "__init__", lambda *_: 1 / 0)
    asked = run(client()(bench.wrap(answer())))

    assert len(asked.sent) == 2
    assert "ZeroDivisionError" in caplog.text


def test_an_open_request_is_told_until_it_ends(bench, client, answer):
    seen = []

    async def look():
        annotate(model="slow")
        seen.append(bench.frame())

    run(client()(bench.wrap(answer(before=look))))
    seen.append(bench.frame())

    assert [(frame.count(OPEN), frame.count(REQUESTS)) for frame in seen] == [(1, 0), (0, 1)]
    assert [frame.gauges["in_flight"] for frame in seen] == [1, 0]
    (row,) = seen[0].rows(OPEN)
    (finished,) = seen[1].rows(REQUESTS)
    assert row[2] == finished[2]
    assert bench.names.shapes[row[6]][1] == "slow"


def test_a_model_that_failed_before_it_was_named_is_counted_under_its_name(bench, client, answer):
    class Route:
        path_format = "/embed"

    async def named():
        annotate(model="minilm")

    def routed(app):
        async def with_route(scope, receive, send):
            scope["route"] = Route()
            await app(scope, receive, send)

        return with_route

    run(client()(bench.wrap(routed(answer()))))
    run(client()(bench.wrap(routed(answer(before=named)))))
    run(client()(bench.wrap(routed(answer(status=503)))))

    assert [record.labels.model for record in bench.records()] == ["/embed", "minilm", "minilm"]
