"""A dear request's point in the histogram of cost opens its trace: once that was accepted, in every format."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import metrics_proto
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from inferometer.aggregate import Exposition
from inferometer.aggregate.exposition import OPENMETRICS, PROTOBUF
from inferometer.catalog import requests, spans, telemetry
from inferometer.catalog.labels import COMPONENT, DROP_REASON
from inferometer.otlp.sender import Sender
from inferometer.otlp.writer import TraceWriter

MODEL = ("embedder", "minilm", "v1", "")
TRACE = 0xABC << 64 | 9
REJECTED = DROP_REASON.values[3]
ACCEPTS, REFUSES = 200, 400


def metric_families(page):
    """The page as the project that defines the format reads it."""
    return metrics_proto.families(page)


@pytest.fixture
def collector(request):
    """An OTLP/HTTP endpoint that answers with the status of the test, and keeps what it is sent."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(request.param)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1/traces"
    server.shutdown()
    server.server_close()
    thread.join()


def told_of(bench, entry):
    """The exemplars of a histogram on `/metrics`: by OpenMetrics and by protobuf, as (trace id, value)."""
    exposition = Exposition(lambda: bench.pipeline.snapshot)
    # A new series shows 0, and so no exemplar, until one scrape has seen it.
    exposition.respond().fetched()
    bench.do_pass()
    text = exposition.respond(OPENMETRICS).body.decode()
    by_text = {
        (sample.exemplar.labels[spans.EXEMPLAR_TRACE_ID], sample.exemplar.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f"{entry.name}_bucket" and sample.exemplar
    }
    family = metric_families(exposition.respond(PROTOBUF).body)[entry.name]
    by_protobuf = {
        (bucket.exemplar.label[0].value, bucket.exemplar.value)
        for metric in family.metric
        for bucket in metric.histogram.bucket
        if bucket.HasField("exemplar")
    }
    return by_text, by_protobuf


def run(bench, make, until, finished):
    """A slow request of 130 ms on a priced device, and passes until its export was answered."""
    worker, now = make.worker(), bench.clock.now
    frame = worker.arrival(
        now + 400 * make.MS,
        requests=[make.request(5, now, now + 320 * make.MS, trace=9)],
        executes=[make.execute(5, now + 40 * make.MS, now + 170 * make.MS)],
    )
    bench.do_pass(frame, seconds=0.4)
    for _ in range(5):
        bench.do_pass(worker.arrival(bench.clock.now + make.SECOND), seconds=1)
    until(lambda: (bench.do_pass(), finished())[1])
    bench.do_pass()


@pytest.mark.parametrize("collector", [ACCEPTS], indirect=True)
def test_a_cost_has_an_exemplar_of_its_trace_when_that_was_accepted(new_bench, make, collector, until):
    sender = Sender(collector)
    sender.start()
    bench = new_bench(writer=TraceWriter(sender))
    run(bench, make, until, lambda: bench.aggregator.counter(telemetry.SPANS_EXPORTED, ()).value)
    sender.close()

    for told in told_of(bench, requests.REQUEST_COST):
        assert [*told] == [(f"{TRACE:032x}", pytest.approx(0.130 * 0.001))]
    assert {trace for trace, _ in told_of(bench, requests.REQUEST_DURATION)[0]} == {f"{TRACE:032x}"}


@pytest.mark.parametrize("collector", [REFUSES], indirect=True)
def test_a_trace_that_was_refused_is_no_exemplar(new_bench, make, collector, until):
    sender = Sender(collector)
    sender.start()
    bench = new_bench(writer=TraceWriter(sender))
    dropped = bench.aggregator.counter(telemetry.DROPS, (COMPONENT.values[-1], REJECTED))
    run(bench, make, until, lambda: dropped.value)
    sender.close()

    assert bench.value(requests.REQUEST_COST, *MODEL)[0] == 1
    assert told_of(bench, requests.REQUEST_COST) == (set(), set())
    assert told_of(bench, requests.REQUEST_DURATION) == (set(), set())


def test_without_a_collector_the_recorder_has_the_trace_and_so_the_exemplar(new_bench, make, until):
    bench = new_bench()
    run(bench, make, until, lambda: bench.rows("select count(*) from kept")[0][0])

    by_text, by_protobuf = told_of(bench, requests.REQUEST_COST)
    assert {trace for trace, _ in by_text} == {trace for trace, _ in by_protobuf} == {f"{TRACE:032x}"}


def test_a_request_on_a_device_without_a_price_has_no_cost_and_no_exemplar_of_it(new_bench, make, until):
    bench = new_bench()
    worker, now = make.worker(), bench.clock.now
    frame = worker.arrival(
        now + 400 * make.MS,
        requests=[make.request(5, now, now + 320 * make.MS, trace=9)],
        executes=[make.execute(5, now + 40 * make.MS, now + 170 * make.MS, device=4)],
    )
    bench.do_pass(frame, seconds=0.4)
    for _ in range(5):
        bench.do_pass(worker.arrival(bench.clock.now + make.SECOND), seconds=1)

    assert bench.value(requests.REQUEST_COST, *MODEL) is None
    assert {trace for trace, _ in told_of(bench, requests.REQUEST_DURATION)[0]} == {f"{TRACE:032x}"}
