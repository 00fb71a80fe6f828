"""Which provider of OpenTelemetry a request's spans go to, if to any."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind
from traced_bench import PARENT, TRACE

from inferometer.hooks.otel.api import provided
from inferometer.record.model import Flag


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
