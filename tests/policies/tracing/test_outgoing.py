"""Spans of the user's that leave the process, and our calls."""

import threading
import time

import httpx
import pytest
from opentelemetry import propagate
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import SpanKind
from traced_bench import PARENT

from inferometer.catalog.stages import Kind, Stage
from inferometer.hooks import httpx as httpx_hook
from inferometer.recorder.calls import CallMark
from inferometer.settings import Policy


def test_an_outgoing_span_of_the_users_is_a_dependency(bench):
    b = bench()
    request = b.request()
    with b.tracer.start_as_current_span("select", kind=SpanKind.CLIENT):
        time.sleep(0.01)
    request.close()
    (record,), finished = b.flush()

    (interval,) = record.intervals
    assert (interval.stage, interval.kind) == (Stage.REMOTE, Kind.DEPENDENCY)
    assert interval.end - interval.start >= 10_000_000
    # Their span says it; ours would say it again.
    assert [span.name for span in finished if span.kind is SpanKind.CLIENT] == ["select"]


@pytest.mark.parametrize("policy", [None, Policy.OWN, Policy.OFF])
def test_an_outgoing_span_that_is_sampled_out_is_a_dependency_too(bench, policy):
    b = bench(policy, sampler=ALWAYS_OFF)
    request = b.request()
    with b.tracer.start_as_current_span("select", kind=SpanKind.CLIENT):
        time.sleep(0.01)
    request.close()
    (record,), _ = b.flush()

    (interval,) = record.intervals
    assert interval.end - interval.start >= 10_000_000


def test_an_outgoing_span_that_ends_in_another_thread_belongs_to_its_request(bench):
    b = bench()
    request = b.request()
    span = b.tracer.start_span("query", kind=SpanKind.CLIENT)
    thread = threading.Thread(target=span.end)
    thread.start()
    thread.join()
    request.close()
    (record,), _ = b.flush()

    assert len(record.intervals) == 1


def test_an_outgoing_span_that_is_told_afterwards_has_its_own_times(bench):
    b = bench()
    request = b.request()
    now = time.time_ns()
    b.tracer.start_span("query", kind=SpanKind.CLIENT, start_time=now).end(end_time=now + 3_000_000)
    request.close()
    (record,), _ = b.flush()

    (interval,) = record.intervals
    assert interval.end - interval.start == 3_000_000


@pytest.mark.parametrize("instrumented", [True, False])
def test_a_call_has_one_client_span_whoever_else_instruments_the_client(bench, instrumented):
    b = bench()
    httpx_hook.install(b.worker, httpx, "httpx")
    b.worker.hooks.set("httpx", "active")
    sent = []
    client = httpx.Client(transport=httpx.MockTransport(lambda got: sent.append(got.headers) or httpx.Response(200)))
    if instrumented:
        HTTPXClientInstrumentor.instrument_client(client, tracer_provider=b.provider)
    request = b.request()
    client.get("http://callee/x")
    request.close()
    (record,), finished = b.flush()

    (call,) = record.calls
    (outgoing,) = [span for span in finished if span.kind is SpanKind.CLIENT]
    assert sent[0]["traceparent"][:-2] == f"00-{record.trace_id:032x}-{call.call_id:016x}-"
    assert int(sent[0]["traceparent"][-2:]) & 1
    assert outgoing.context.span_id == call.call_id
    assert (outgoing.instrumentation_scope.name == "inferometer") is not instrumented
    assert record.intervals == ()


@pytest.mark.parametrize("library", ["aiohttp_client", "requests", "urllib3"])
@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "not sampled"])
def test_a_span_around_our_attempt_is_no_attempt_and_no_other_one_either(bench, library, sampler):
    b = bench(sampler=sampler)
    for hook in ("aiohttp", "urllib3"):
        b.worker.hooks.set(hook, "active")
    request = b.request()
    other = CallMark(7, b.worker.shapes.string("elsewhere"), b.worker.shapes.string("GET"))
    request.add_call(other)
    theirs = b.provider.get_tracer(f"opentelemetry.instrumentation.{library}").start_span("GET", kind=SpanKind.CLIENT)
    theirs.end()
    request.close()
    (record,), _ = b.flush()

    assert [call.call_id for call in record.calls] == [7]
    assert record.intervals == ()


@pytest.mark.parametrize("policy", [None, Policy.OWN])
def test_what_the_users_client_sends_on_has_our_member_in_front(bench, policy):
    b = bench(policy)
    httpx_hook.install(b.worker, httpx, "httpx")
    b.worker.hooks.set("httpx", "active")
    sent = []
    client = httpx.Client(transport=httpx.MockTransport(lambda got: sent.append(got.headers) or httpx.Response(200)))
    HTTPXClientInstrumentor.instrument_client(client, tracer_provider=b.provider)
    headers = {"traceparent": PARENT.decode(), "tracestate": "vendor=1", "baggage": "team=blue"}
    request = b.request(*[(name.encode(), value.encode()) for name, value in headers.items()])
    if policy is None:
        with b.tracer.start_as_current_span("theirs", context=propagate.extract(headers), kind=SpanKind.SERVER):
            client.get("http://callee/x")
    else:
        client.get("http://callee/x")
    request.close()
    b.flush()

    assert sent[0]["tracestate"] == "inferometer=1,vendor=1"
    assert sent[0]["traceparent"].startswith(PARENT[:35].decode())
    assert sent[0]["baggage"] == "team=blue"
