"""Requests and OpenTelemetry in one process: whose span is whose."""

import time

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind
from traced_bench import PARENT, TRACE

from inferometer.catalog import spans
from inferometer.record.model import Flag
from inferometer.recorder.distant import Part
from inferometer.recorder.request import current_request
from inferometer.settings import Policy


def hex_id(span):
    return span.get_span_context().span_id


def test_a_span_of_the_users_without_a_parent_gets_our_server_span(bench):
    b = bench()
    request = b.request((b"traceparent", PARENT))
    with b.tracer.start_as_current_span("work"):
        pass
    request.close()
    (record,), finished = b.flush()

    (work,) = [span for span in finished if span.name == "work"]
    (server,) = [span for span in finished if span.kind is SpanKind.SERVER]
    assert (work.parent.span_id, work.context.trace_id) == (server.context.span_id, TRACE)
    assert (server.parent.span_id, server.context.span_id) == (0xB7AD6B7169203331, record.span_id)
    assert record.trace_id == TRACE
    assert record.flags & Flag.FOREIGN_SPANS
    assert record.flags & Flag.SAMPLED


def test_a_request_without_any_span_has_the_ids_of_its_record(bench):
    b = bench()
    b.request().close()
    (record,), finished = b.flush()

    (server,) = [span for span in finished if span.kind is SpanKind.SERVER]
    assert (server.context.trace_id, server.context.span_id) == (record.trace_id, record.span_id)
    assert server.parent is None


def test_a_server_span_of_the_users_is_the_one(bench):
    b = bench()
    request = b.request((b"traceparent", PARENT))
    with b.tracer.start_as_current_span("theirs", kind=SpanKind.SERVER) as theirs:
        request.respond = time.monotonic_ns()
    request.close()
    (record,), finished = b.flush()

    assert [span.name for span in finished if span.kind is SpanKind.SERVER] == ["theirs"]
    stages = [span for span in finished if span.name.startswith("inference.")]
    assert stages
    assert {span.parent.span_id for span in stages} == {hex_id(theirs)}
    # They did not read the traceparent: their trace is the request's, and our caller is not theirs.
    assert (record.trace_id, record.parent_id) == (theirs.get_span_context().trace_id, 0)


def test_a_server_span_around_the_request_is_the_one(bench):
    b = bench()
    with b.tracer.start_as_current_span("outer", kind=SpanKind.SERVER) as outer:
        request = b.request()
        request.model = "m1"
        request.close()
        (record,), _ = b.flush()
    finished = b.exporter.get_finished_spans()

    assert record.trace_id == outer.get_span_context().trace_id
    assert [span.name for span in finished if span.kind is SpanKind.SERVER] == ["outer"]
    assert {span.parent.span_id for span in finished if span.name.startswith("inference.")} == {hex_id(outer)}
    # It is open still: what became known until the end is said on it.
    assert outer.attributes[spans.MODEL_NAME.name] == "m1"


def test_a_request_inside_an_inner_span_continues_that_trace(bench):
    b = bench()
    with b.tracer.start_as_current_span("test client") as outer:
        b.request((b"traceparent", PARENT)).close()
    (record,), finished = b.flush()

    (server,) = [span for span in finished if span.kind is SpanKind.SERVER]
    assert server.parent.span_id == hex_id(outer)
    assert record.trace_id == outer.get_span_context().trace_id


@pytest.mark.parametrize("kind", [SpanKind.SERVER, SpanKind.INTERNAL])
def test_what_is_sampled_out_leaves_no_span_and_no_claim_to_one(bench, kind):
    b = bench(sampler=ALWAYS_OFF)
    request = b.request((b"traceparent", PARENT))
    with b.tracer.start_as_current_span("theirs", kind=kind):
        pass
    request.close()
    (record,), finished = b.flush()

    assert finished == ()
    assert record.flags & Flag.FOREIGN_SPANS
    assert not record.flags & Flag.SAMPLED


def test_a_job_belongs_to_the_span_of_its_consumer(bench):
    b = bench()
    with b.tracer.start_as_current_span("consume", kind=SpanKind.CONSUMER) as consumer:
        b.request().close()
    (record,), finished = b.flush()

    assert record.trace_id == consumer.get_span_context().trace_id
    assert not any(span.kind is SpanKind.SERVER for span in finished)
    assert {span.parent.span_id for span in finished if span.name.startswith("inference.")} == {hex_id(consumer)}


@pytest.mark.parametrize("policy", [None, Policy.OWN])
def test_a_part_of_a_request_in_another_process_is_no_request_of_its_own(bench, policy):
    b = bench(policy)
    part = Part(b.worker)
    current_request.set(part)
    assert trace.get_current_span() is trace.INVALID_SPAN
    with b.tracer.start_as_current_span("work", kind=SpanKind.CLIENT) as work:
        pass
    told = part.told()
    _, finished = b.flush()

    assert work.parent is None
    assert [span.name for span in finished] == ["work"]
    assert told


def test_a_new_trace_that_the_user_asks_for_stays_one(bench):
    b = bench()
    request = b.request()
    with b.tracer.start_as_current_span("apart", context=context.Context()) as apart:
        pass
    request.close()
    (record,), _ = b.flush()

    assert apart.parent is None
    assert apart.get_span_context().trace_id != record.trace_id


@pytest.mark.parametrize("kind", [SpanKind.SERVER, None])
def test_without_spans_of_ours_a_record_points_only_at_the_users(bench, kind):
    b = bench(Policy.OFF)
    request = b.request((b"traceparent", PARENT))
    # What is passed on to callees is what the caller said.
    assert request.flags & Flag.SAMPLED
    if kind is not None:
        with b.tracer.start_as_current_span("theirs", kind=kind):
            pass
    request.close()
    (record,), _ = b.flush()

    assert record.flags & Flag.FOREIGN_SPANS
    assert bool(record.flags & Flag.SAMPLED) == (kind is not None)
