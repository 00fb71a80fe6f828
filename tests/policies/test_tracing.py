"""Requests and OpenTelemetry in one process: whose span is whose, and what leaves through the user's pipeline."""

import asyncio
import contextvars
import threading
import time
from types import SimpleNamespace

import httpx
import pytest
from opentelemetry import context, propagate, trace
from opentelemetry.instrumentation import asgi as instrumentation_asgi
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import SpanKind, StatusCode

from inferometer.catalog import spans
from inferometer.catalog.stages import Kind, Stage
from inferometer.hooks import httpx as httpx_hook
from inferometer.hooks.grpc_threaded_call import ThreadedCall
from inferometer.hooks.otel import bypass_asgi, bypass_wsgi, outbox
from inferometer.hooks.otel import sdk as sdk_hook
from inferometer.hooks.otel.api import provided
from inferometer.otlp import Kept, Resource, encode_trace
from inferometer.otlp.read import read_spans
from inferometer.record.model import Flag
from inferometer.record.partition import partition
from inferometer.recorder.asgi import recording
from inferometer.recorder.calls import CallMark
from inferometer.recorder.distant import Part
from inferometer.recorder.executes import BatchRun
from inferometer.recorder.frames import FrameMaker
from inferometer.recorder.request import OpenRequest, current_request
from inferometer.recorder.worker import Worker
from inferometer.recorder.wsgi import recording as recording_wsgi
from inferometer.settings import Policy, Settings
from inferometer.wire.frame import decode
from inferometer.wire.records import records

PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = 0x0AF7651916CD43DD8448EB211C80319C


class Bench:
    """A worker that OpenTelemetry's SDK is hooked for, and a provider that keeps its spans."""

    def __init__(self, policy=None, *, sampler=ALWAYS_ON, is_global=True) -> None:
        self.worker = Worker(Settings(service="svc", host="box", traces=policy))
        self.worker.started = True
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("user")
        sdk_hook.install(self.worker, sdk, "opentelemetry.sdk")
        if is_global:
            provided(self.worker, self.provider)
        self.maker = FrameMaker(self.worker)

    def request(self, *headers) -> OpenRequest:
        request = OpenRequest(self.worker, headers)
        current_request.set(request)
        return request

    def flush(self):
        """(records of the next frame, finished spans)."""
        _, frame = self.maker.make()
        self.worker.tracing.sent(frame, self.worker.shapes.all)
        names = self.worker.shapes.all()
        return list(records(decode(frame), names)), self.exporter.get_finished_spans()

    def close(self) -> None:
        current_request.set(None)
        for steps in list(self.worker.hooks._undo.values()):
            for step in reversed(steps):
                step()


@pytest.fixture
def bench():
    made = []

    def make(*args, **kwargs):
        made.append(Bench(*args, **kwargs))
        return made[-1]

    yield make
    for one in made:
        assert one.worker.hooks.errors() == {}
        one.close()


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


def test_a_provider_that_is_not_global_is_found_by_its_first_span(bench):
    b = bench(is_global=False)
    request = b.request()
    with b.tracer.start_as_current_span("theirs", kind=SpanKind.SERVER):
        pass
    request.close()
    _, finished = b.flush()

    assert any(span.name.startswith("inference.") for span in finished)
    assert {span.instrumentation_scope.name for span in finished} == {"user", "inferometer"}


def test_without_a_provider_and_a_span_the_request_is_ours(bench):
    b = bench(is_global=False)
    b.request((b"traceparent", PARENT)).close()
    (record,), finished = b.flush()

    assert finished == ()
    assert not record.flags & Flag.FOREIGN_SPANS


def test_a_provider_that_does_nothing_is_none(bench, monkeypatch):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    b = bench(is_global=False)
    for provider in (TracerProvider(shutdown_on_exit=False), trace.NoOpTracerProvider(), trace.ProxyTracerProvider()):
        provided(b.worker, provider)
        b.request().close()
    found, _ = b.flush()

    assert [record.flags & Flag.FOREIGN_SPANS for record in found] == [0, 0, 0]


@pytest.mark.parametrize("kind", [SpanKind.SERVER, SpanKind.INTERNAL])
@pytest.mark.parametrize("where", ["inside", "around"])
def test_a_provider_that_nobody_listens_to_is_none(bench, kind, where):
    b = bench(is_global=False)
    unheard = TracerProvider(shutdown_on_exit=False)
    provided(b.worker, unheard)
    tracer = unheard.get_tracer("server")
    if where == "around":
        with tracer.start_as_current_span("theirs", kind=kind) as theirs:
            request = b.request((b"traceparent", PARENT))
    else:
        request = b.request((b"traceparent", PARENT))
        with tracer.start_as_current_span("theirs", kind=kind) as theirs:
            pass
    request.close()
    (record,), finished = b.flush()

    assert not record.flags & Flag.FOREIGN_SPANS
    assert finished == ()
    # What the user's clients send on has that trace id, so that what is called is found again.
    shared = kind is SpanKind.SERVER or where == "around"
    assert record.trace_id == (theirs.get_span_context().trace_id if shared else TRACE)


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


class Vendor(trace.TracerProvider):
    """A provider that is none of the SDK's: our hooks see none of its spans."""

    def __init__(self) -> None:
        self.asked = 0

    def get_tracer(self, *_args, **_kwargs):
        self.asked += 1
        return trace.NoOpTracer()


def test_a_span_that_no_hook_saw_is_found_when_the_answer_begins(bench):
    b = bench(is_global=False)
    vendor = Vendor()
    provided(b.worker, vendor)
    request = b.request()
    theirs = trace.NonRecordingSpan(trace.SpanContext(5 << 64 | 6, 7, is_remote=False, trace_flags=trace.TraceFlags(0)))
    with trace.use_span(theirs):
        b.worker.answering(request)
    request.close()
    (record,), _ = b.flush()

    assert record.trace_id == 5 << 64 | 6
    assert record.flags & Flag.FOREIGN_SPANS
    assert vendor.asked == 0


def test_under_own_our_span_is_current_and_is_taken_out_again(bench):
    b = bench(Policy.OWN)
    request = b.request((b"traceparent", PARENT), (b"tracestate", b"vendor=1"), (b"baggage", b"team=blue"))
    here = trace.get_current_span().get_span_context()
    with b.tracer.start_as_current_span("work") as work:
        pass
    request.close()
    (record,), finished = b.flush()

    assert (here.trace_id, here.span_id, here.trace_flags.sampled) == (TRACE, record.span_id, True)
    assert here.trace_state.to_header() == "inferometer=1,vendor=1"
    assert work.parent.span_id == record.span_id
    assert [span.name for span in finished] == ["work"]
    assert not record.flags & Flag.FOREIGN_SPANS
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_a_request_that_ends_in_another_context_leaves_that_one_alone(bench, caplog):
    b = bench(Policy.OWN)
    request = contextvars.copy_context().run(b.request)
    with trace.use_span(trace.NonRecordingSpan(trace.SpanContext(1, 2, is_remote=False))):
        request.close()
        assert trace.get_current_span().get_span_context().span_id == 2

    assert caplog.records == []


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


def test_the_middleware_of_others_is_passed_by_under_own_for_what_is_recorded(bench):
    b = bench(Policy.OWN)
    bypass_asgi.install(b.worker, instrumentation_asgi, "opentelemetry.asgi")

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    inside = OpenTelemetryMiddleware(app, tracer_provider=b.provider)
    outside = recording(b.worker, lambda _, *args: inside(*args))

    async def main():
        async def receive():
            return {"type": "http.request"}

        async def send(_):
            pass

        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", "scheme": "http"}
        await outside(None, dict(scope), receive, send)
        await inside(dict(scope), receive, send)

    asyncio.run(main())
    found, finished = b.flush()

    assert len(found) == 1
    # The second request is not recorded by us: it is theirs alone. Of the first they have not even an inner span.
    assert sum(span.kind is SpanKind.SERVER for span in finished) == 1
    assert len({span.context.trace_id for span in finished}) == 1


def test_a_failure_of_ours_leaves_the_users_telemetry_as_it_was(bench, monkeypatch):
    b = bench()

    def broken(*args):
        raise RuntimeError("ours")

    monkeypatch.setattr(b.worker.tracing, "starting", broken)
    request = b.request()
    with b.tracer.start_as_current_span("work"):
        pass
    request.close()

    assert b.worker.hooks.errors() == {"opentelemetry.sdk": 1}
    assert not hasattr(sdk.Tracer.start_span, "__wrapped__") or "inferometer" not in sdk.Tracer.start_span.__module__
    assert [span.name for span in b.exporter.get_finished_spans()] == ["work"]
    b.worker.hooks._errors.clear()


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


def test_a_forked_child_forgets_what_its_parent_will_tell(bench):
    b = bench()
    b.request().close()
    b.worker.tracing.after_fork()
    _, finished = b.flush()

    assert finished == ()


class Elsewhere(OpenRequest):
    """A request that another thread handles than the one that opens it."""

    __slots__ = ()
    in_context = False


def test_a_request_that_is_handled_elsewhere_leaves_nothing_in_the_context_that_opened_it(bench):
    b = bench(Policy.OWN)
    request = Elsewhere(b.worker, [(b"traceparent", PARENT)])
    assert trace.get_current_span() is trace.INVALID_SPAN
    current_request.set(request)
    with b.tracer.start_as_current_span("work") as work:
        pass
    request.close()

    assert not ThreadedCall.in_context
    assert (work.parent.span_id, work.parent.trace_id) == (request.span_id, TRACE)


def test_what_an_earlier_request_left_in_a_context_is_nobodys_server_span(bench):
    b = bench(Policy.OWN)
    first = b.request()
    contextvars.Context().run(first.close)
    assert trace.get_current_span().get_span_context().span_id == first.span_id
    second = b.request()
    second.close()
    found, _ = b.flush()

    assert [record.flags & Flag.FOREIGN_SPANS for record in found] == [0, 0]
    assert first.trace_lo != second.trace_lo
    context.attach(context.Context())


def test_a_wsgi_application_is_passed_by_and_its_spans_are_below_ours(bench):
    b = bench(Policy.OWN)

    class OpenTelemetryMiddleware:
        """As OpenTelemetry's, which is not installed here, as far as it matters."""

        def __init__(self, application) -> None:
            self.wsgi = application

        def __call__(self, environ, start_response):
            with b.tracer.start_as_current_span("theirs", kind=SpanKind.SERVER):
                return self.wsgi(environ, start_response)

    bypass_wsgi.install(
        b.worker, SimpleNamespace(OpenTelemetryMiddleware=OpenTelemetryMiddleware), "opentelemetry.wsgi"
    )

    def app(environ, start_response):
        start_response("200 OK", [])
        with b.tracer.start_as_current_span("work"):
            yield b"x"

    inside = OpenTelemetryMiddleware(app)
    outside = recording_wsgi(b.worker, lambda _, *args: inside(*args))
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}
    answer = outside(None, dict(environ), lambda *_: None)
    assert list(answer) == [b"x"]
    answer.close()
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert list(inside(dict(environ), lambda *_: None)) == [b"x"]
    (record,), finished = b.flush()

    work, *_ = [span for span in finished if span.name == "work"]
    assert work.parent.span_id == record.span_id
    # The second request is not recorded: it is theirs alone.
    assert sum(span.kind is SpanKind.SERVER for span in finished) == 1
