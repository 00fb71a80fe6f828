"""What leaves through the user's pipeline, and what is dropped and counted."""

import time

from opentelemetry.trace import SpanKind, StatusCode

from inferometer.catalog import spans
from inferometer.catalog.stages import Stage
from inferometer.hooks.otel import outbox
from inferometer.otlp import Kept, Resource, encode_trace
from inferometer.otlp.read import read_spans
from inferometer.record.partition import partition
from inferometer.recorder.executes import BatchRun


def test_what_leaves_through_the_users_pipeline_is_what_ours_would_have_sent(bench):
    b = bench()
    request = b.request()
    mark = b.worker.executes.begin("cpu", model="m")
    b.worker.executes.end(mark)
    at = time.monotonic_ns()
    request.add_interval(at, at + 2_000_000, Stage.PREPROCESS)
    time.sleep(0.003)
    request.status = 500
    request.close()
    before = time.time_ns() - time.monotonic_ns()
    (record,), finished = b.flush()
    kept = Kept(
        record=record, partition=partition(record), resource=Resource(service="", host="", pid=0),
        wall_offset_ns=before, reason="failed",
    )  # fmt: skip
    expected = {span.span_id: span for span in read_spans(encode_trace(kept)[0])}

    assert {span.context.span_id for span in finished} == set(expected)
    for span in finished:
        ours = expected[span.context.span_id]
        assert (span.name, dict(span.attributes)) == (ours.name, ours.attributes)
        assert abs(span.start_time - ours.start_ns) < 50_000_000
        assert (span.status.status_code is StatusCode.ERROR) == ours.failed
    assert spans.KEEP.name in expected[record.span_id].attributes


def test_a_batch_leaves_once_and_below_it_a_span_of_each_member(bench):
    b = bench()
    members = (b.request(), b.request())
    batch = BatchRun(1, 2, members)
    b.worker.executes.begin_batch(batch, "cpu", 2)
    b.worker.executes.end_batch(batch)
    for request in members:
        request.close()
    _, finished = b.flush()
    (whole,) = [span for span in finished if span.name == spans.BATCH_SPAN]
    parts = [span for span in finished if span.name == spans.BATCH_MEMBER_SPAN]
    roots = {(span.context.trace_id, span.context.span_id) for span in finished if span.kind is SpanKind.SERVER}

    assert not whole.links
    assert {(span.context.trace_id, span.parent.span_id) for span in parts} == {
        (whole.context.trace_id, whole.context.span_id)
    }
    assert sorted((to.context.trace_id, to.context.span_id) for span in parts for to in span.links) == sorted(roots)
    assert len(roots) == 2


def test_only_a_failed_request_is_said_to_be_worth_keeping(bench):
    b = bench()
    request = b.request()
    request.status = 200
    request.close()
    _, finished = b.flush()

    assert not any(spans.KEEP.name in span.attributes for span in finished)


def test_stages_stay_within_the_time_of_their_parent(bench):
    b = bench()
    request = b.request()
    time.sleep(0.005)
    with b.tracer.start_as_current_span("late", kind=SpanKind.SERVER):
        time.sleep(0.002)
    time.sleep(0.005)
    request.close()
    _, finished = b.flush()

    (late,) = [span for span in finished if span.name == "late"]
    for span in finished:
        assert late.start_time <= span.start_time <= span.end_time <= late.end_time


def test_more_requests_than_a_frame_has_room_for_are_dropped_and_counted(bench, monkeypatch):
    monkeypatch.setattr(outbox, "MAX_PER_FRAME", 3)
    b = bench()
    for _ in range(5):
        b.request().close()
    _, finished = b.flush()

    assert b.worker.buffers.drops() == {"queue_full": 2}
    # The two that were dropped have their SERVER span, which had begun, and no stages.
    assert sum(span.kind is SpanKind.SERVER for span in finished) == 5
    assert len({span.parent.span_id for span in finished if span.parent}) == 3


def test_more_requests_than_may_wait_are_dropped_and_counted(bench, monkeypatch):
    monkeypatch.setattr(outbox, "MAX_WAITING", 2)
    b = bench()
    for _ in range(5):
        b.request().close()

    assert b.worker.buffers.drops() == {"queue_full": 3}
    assert len(b.exporter.get_finished_spans()) == 3


def test_a_request_whose_row_was_dropped_is_not_waited_for(bench):
    b = bench()
    b.worker.buffers.limit = 0
    b.request().close()
    for _ in range(4):
        _, finished = b.flush()

    assert b.worker.buffers.drops() == {"buffer_full": 1, "queue_full": 1}
    assert [span.kind for span in finished] == [SpanKind.SERVER]
    assert len(b.worker.tracing._outbox) == 0


def test_a_forked_child_forgets_what_its_parent_will_tell(bench):
    b = bench()
    b.request().close()
    b.worker.tracing.after_fork()
    _, finished = b.flush()

    assert finished == ()
