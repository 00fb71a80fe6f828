"""Where spans are ours alone, ours is current, and the middleware of others is passed by."""

import asyncio
import contextvars
from types import SimpleNamespace

from opentelemetry import context, trace
from opentelemetry.instrumentation import asgi as instrumentation_asgi
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.trace import SpanKind
from traced_bench import PARENT, TRACE

from inferometer.hooks.grpc_threaded_call import ThreadedCall
from inferometer.hooks.otel import bypass_asgi, bypass_wsgi
from inferometer.record.model import Flag
from inferometer.recorder.asgi import recording
from inferometer.recorder.request import OpenRequest, current_request
from inferometer.recorder.wsgi import recording as recording_wsgi
from inferometer.settings import Policy


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
