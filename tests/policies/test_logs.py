"""Lines of a log lead to the trace of their request."""

import logging
import threading

import pytest
import structlog
from hooks_out import take_out
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind

import inferometer
from inferometer.hooks import log_records
from inferometer.hooks.otel import sdk as sdk_hook
from inferometer.hooks.registry import Hook, apply
from inferometer.recorder.request import OpenRequest, current_request
from inferometer.recorder.worker import Worker
from inferometer.settings import Settings

PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
LOGGING = Hook("logging", "logging", "inferometer.hooks.log_records")


@pytest.fixture
def worker():
    factory = logging.getLogRecordFactory()
    made = Worker(Settings(service="svc", log_correlation=True))
    made.started = True
    yield made
    logging.setLogRecordFactory(factory)
    current_request.set(None)
    take_out(made)


def opened(worker) -> OpenRequest:
    request = OpenRequest(worker, [(b"traceparent", PARENT)])
    current_request.set(request)
    return request


def test_a_record_carries_the_ids_of_its_request(worker, caplog):
    apply(worker, LOGGING, logging)
    request = opened(worker)
    logging.getLogger("app").warning("inside")
    request.close()
    logging.getLogger("app").warning("outside")

    inside, outside = caplog.records
    assert inside.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert inside.span_id == f"{request.span_id:016x}"
    assert (outside.trace_id, outside.span_id) == ("", "")
    assert logging.Formatter("%(trace_id)s %(message)s").format(outside) == " outside"


def test_a_record_of_another_thread_carries_nothing(worker, caplog):
    apply(worker, LOGGING, logging)
    opened(worker)
    thread = threading.Thread(target=logging.getLogger("app").warning, args=("elsewhere",))
    thread.start()
    thread.join()

    assert caplog.records[0].trace_id == ""


def test_nobody_who_did_not_ask_has_other_records(caplog):
    factory = logging.getLogRecordFactory()
    worker = Worker(Settings())
    apply(worker, LOGGING, logging)

    assert logging.getLogRecordFactory() is factory
    assert worker.hooks.statuses() == {"logging": "off"}


def test_what_a_program_says_itself_stays(worker, caplog):
    class Ours(logging.LogRecord):
        def __init__(self, *args, **kwargs) -> None:
            super().__init__(*args, **kwargs)
            self.trace_id = "theirs"

    logging.setLogRecordFactory(Ours)
    apply(worker, LOGGING, logging)
    opened(worker)
    logging.getLogger("app").warning("x")

    assert caplog.records[0].trace_id == "theirs"


def test_with_a_server_span_of_the_users_its_id_is_meant(worker):
    sdk_hook.install(worker, sdk, "opentelemetry.sdk")
    opened(worker)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SpanProcessor())
    tracer = provider.get_tracer("user")
    with tracer.start_as_current_span("theirs", kind=SpanKind.SERVER) as span:
        event = inferometer.structlog_processor(None, "info", {"event": "x"})
    context = span.get_span_context()

    assert event == {"event": "x", "trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


def test_events_of_structlog_carry_the_ids(worker, capsys):
    structlog.configure(processors=[inferometer.structlog_processor, structlog.processors.LogfmtRenderer()])
    try:
        request = opened(worker)
        structlog.get_logger().info("inside")
        structlog.get_logger().info("given", span_id="theirs")
        request.close()
        structlog.get_logger().info("outside")
    finally:
        structlog.reset_defaults()

    inside, given, outside = capsys.readouterr().out.splitlines()
    assert inside == f"event=inside trace_id=0af7651916cd43dd8448eb211c80319c span_id={request.span_id:016x}"
    assert set(given.split()) == {"event=given", "span_id=theirs", "trace_id=0af7651916cd43dd8448eb211c80319c"}
    assert outside == "event=outside"


def test_an_error_of_ours_is_said_once_and_the_record_is_written(worker, caplog, monkeypatch):
    apply(worker, LOGGING, logging)

    def broken():
        raise RuntimeError("ours")

    monkeypatch.setattr(log_records, "current_ids", broken)
    logging.getLogger("app").warning("one")
    logging.getLogger("app").warning("two")

    assert [record.getMessage() for record in caplog.records if record.name == "app"] == ["one", "two"]
    assert worker.hooks.errors() == {"logging": 1}
