"""From frames to series, ledger, recorder and kept traces."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from inferometer.catalog import devices, requests, telemetry
from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.otlp.sender import Sender
from inferometer.otlp.writer import TraceWriter
from inferometer.record.model import Flag
from inferometer.record.partition import MAX_SEGMENTS

MODEL = ("embedder", "minilm", "v1", "")
TENANT = (*MODEL, "")


def test_a_request_is_in_the_recorder_once_with_its_cost_when_the_ledger_is_past_its_last_run(bench, make):
    worker, now = make.worker(), bench.clock.now
    frame = worker.arrival(
        now + 100 * make.MS,
        requests=[make.request(5, now, now + 80 * make.MS)],
        executes=[make.execute(5, now + 10 * make.MS, now + 60 * make.MS)],
    )
    bench.do_pass(frame, seconds=0.1)
    bench.do_pass(worker.arrival(bench.clock.now + make.MS))

    found = bench.rows("select span_id, duration_ns, execute_ns, device_ns, cost, pass from requests")
    assert found == [(5, 80 * make.MS, 50 * make.MS, 50 * make.MS, 50 * make.MS, 1)]
    assert bench.value(requests.DEVICE_SECONDS, *TENANT, "box", "execute", "ok", "exclusive") == 50 * make.MS
    assert bench.value(requests.COST, *TENANT, "execute", "ok", "exclusive") == 50 * make.MS
    assert bench.value(requests.REQUEST_COST, *MODEL) == (1, 50 * make.MS)
    assert bench.value(devices.LEDGER, "box", "attributed") == 50 * make.MS


def test_a_request_waits_while_another_worker_may_still_tell_of_that_time(bench, make):
    one, other, now = make.worker(pid=1), make.worker(pid=2), bench.clock.now
    bench.do_pass(one.arrival(now + 5 * make.MS), other.arrival(now + 20 * make.MS), seconds=0.02)
    frame = one.arrival(
        now + 100 * make.MS,
        requests=[make.request(5, now, now + 80 * make.MS)],
        executes=[make.execute(5, now + 10 * make.MS, now + 60 * make.MS)],
    )
    bench.do_pass(frame, seconds=0.08)
    assert bench.rows("select count(*) from requests") == [(0,)]
    shared = other.arrival(
        now + 200 * make.MS,
        requests=[make.request(6, now + 30 * make.MS, now + 90 * make.MS)],
        executes=[make.execute(6, now + 40 * make.MS, now + 80 * make.MS)],
    )
    bench.do_pass(shared, one.arrival(now + 200 * make.MS), seconds=0.1)

    # 10-40 alone, 40-60 shared, 60-80 alone.
    found = bench.rows("select span_id, device_ns from requests order by span_id")
    assert found == [(5, 40 * make.MS), (6, 30 * make.MS)]


def test_the_ledger_waits_five_seconds_for_a_silent_worker_and_no_longer(bench, make):
    silent, worker = make.worker(pid=1), make.worker(pid=2)
    bench.do_pass(silent.arrival(bench.clock.now), worker.arrival(bench.clock.now))
    bench.do_pass(worker.arrival(bench.clock.now), seconds=4)
    assert bench.pipeline.ledger.until <= bench.clock.now - 4 * make.SECOND
    bench.do_pass(worker.arrival(bench.clock.now), seconds=4)

    assert bench.pipeline.ledger.until == bench.clock.now - 5 * make.SECOND


def test_a_running_stream_is_charged_while_it_runs(bench, make):
    worker, now = make.worker(), bench.clock.now
    for step in range(1, 5):
        at = now + step * make.SECOND
        running = make.execute(5, now, 0, final=0)
        bench.do_pass(worker.arrival(at, executes=[running], opened=[make.opened(5, now)]), seconds=1)

    assert bench.value(devices.LEDGER, "box", "attributed") == 4 * make.SECOND
    assert bench.rows("select count(*) from requests") == [(0,)]


def test_an_open_request_counts_as_slow_once_and_not_again_at_its_end(bench, make):
    worker, now = make.worker(), bench.clock.now
    for step in (1, 2):
        at = now + step * 200 * make.MS
        bench.do_pass(worker.arrival(at, opened=[make.opened(5, now)]), seconds=0.2)
    assert bench.aggregator.counter(requests.SLO_EVENTS, (*MODEL, "", "fast", "bad")).value == 1
    done = worker.arrival(now + 600 * make.MS, requests=[make.request(5, now, now + 500 * make.MS)])
    bench.do_pass(done, seconds=0.2)

    assert bench.aggregator.counter(requests.SLO_EVENTS, (*MODEL, "", "fast", "bad")).value == 1
    assert bench.aggregator.counter(requests.SLO_EVENTS, (*MODEL, "", "available", "good")).value == 1


def test_open_requests_of_a_worker_that_died_end_as_server_errors_and_late_reports_are_dropped(bench, make):
    worker, now = make.worker(), bench.clock.now
    running = make.execute(5, now + 10 * make.MS, 0, final=0)
    bench.do_pass(worker.arrival(now + 250 * make.MS, executes=[running], opened=[make.opened(5, now)]))
    bench.do_pass(seconds=31, gone=[worker.worker_id])
    bench.do_pass(seconds=6)

    found = bench.rows("select span_id, outcome, duration_ns, device_ns > 0 from requests")
    assert found == [(5, int(Outcome.SERVER_ERROR), 31_250 * make.MS, True)]
    late = worker.arrival(bench.clock.now, requests=[make.request(5, now, now + make.SECOND)])
    bench.do_pass(late)
    bench.do_pass(seconds=6)
    assert bench.rows("select count(*) from requests") == [(1,)]
    assert bench.aggregator.counter(telemetry.DROPS, ("sidecar", "late")).value == 1


def test_a_load_of_a_model_is_loading_and_a_host_without_workers_is_unallocated(bench, make):
    bench.do_pass(seconds=2)
    worker = make.worker()
    loaded = worker.arrival(bench.clock.now + make.SECOND, gauges={"model_loads": [["minilm", make.SECOND]]})
    bench.do_pass(loaded, seconds=1)

    states = {state.value: ns for state, ns in bench.pipeline.ledger.accounts[0].states.items() if ns}
    assert states == {"unallocated": 2 * make.SECOND, "loading": make.SECOND}


def test_a_device_without_a_price_leaves_the_cost_unknown(bench, make):
    worker, now = make.worker(), bench.clock.now
    frame = worker.arrival(
        now + 100 * make.MS,
        requests=[make.request(5, now, now + 80 * make.MS)],
        executes=[make.execute(5, now + 10 * make.MS, now + 60 * make.MS, device=4)],
    )
    bench.do_pass(frame, seconds=0.1)
    bench.do_pass(worker.arrival(bench.clock.now + make.MS))

    assert bench.rows("select device_ns, cost from requests") == [(50 * make.MS, None)]
    assert bench.value(devices.UNPRICED, "GPU-1") > 0
    assert bench.value(requests.REQUEST_COST, *MODEL) is None


def test_a_state_goes_on_where_it_ended(new_bench, make):
    before = new_bench()
    worker, now = make.worker(), before.clock.now
    held = worker.arrival(
        now + 50 * make.MS,
        requests=[make.request(5, now, now + 45 * make.MS), make.request(6, now, now + 40 * make.MS, trace=2)],
        executes=[make.execute(5, now, now + 40 * make.MS), make.execute(6, now + 60 * make.MS, now + 90 * make.MS)],
        opened=[make.opened(9, now)],
    )
    sections = before.do_pass(held, seconds=0.05)
    assert before.rows("select span_id from requests") == [(5,)]
    after = new_bench(clock=before.clock)
    after.pipeline.load(sections, same_boot=True)
    assert after.pipeline.rollback(before.number) == before.number
    after.number = before.number
    after.do_pass(worker.arrival(now + 200 * make.MS), seconds=0.15)

    assert after.rows("select span_id, device_ns from requests order by 1") == [(5, 40 * make.MS), (6, 30 * make.MS)]
    counter = after.aggregator.counter(requests.REQUESTS, (*TENANT, "", "ok", "true"))
    assert counter.value == 2
    states = after.pipeline.ledger.accounts[0]
    assert sum(states.states.values()) == states.wall


def test_rows_of_a_pass_that_never_reached_its_commit_point_are_deleted(new_bench, make):
    before = new_bench()
    worker, now = make.worker(), before.clock.now
    first = before.do_pass(worker.arrival(now + 10 * make.MS, requests=[make.request(5, now, now + make.MS)]))
    before.do_pass(worker.arrival(now + 20 * make.MS, requests=[make.request(6, now, now + make.MS, trace=2)]))
    assert before.rows("select count(*) from requests") == [(2,)]
    after = new_bench(clock=before.clock)
    after.pipeline.load(first, same_boot=True)

    assert after.pipeline.rollback(1) == 1
    assert after.rows("select span_id from requests") == [(5,)]


@pytest.fixture
def collector():
    """An OTLP/HTTP endpoint that keeps what it is sent."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(gzip.decompress(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1/traces", bodies
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_kept_trace_leaves_with_all_hops_and_cost_and_then_shows_its_exemplar(new_bench, make, collector, until):
    endpoint, bodies = collector
    sender = Sender(endpoint)
    sender.start()
    bench = new_bench(writer=TraceWriter(sender))
    worker, now = make.worker(), bench.clock.now
    child = worker.arrival(
        now + 400 * make.MS,
        requests=[make.request(5, now + 20 * make.MS, now + 320 * make.MS, flags=0, parent_id=77, trace=9)],
        executes=[make.execute(5, now + 40 * make.MS, now + 300 * make.MS, batch_id=3, size=2)],
        intervals=[make.interval(5, now + 21 * make.MS, now + 30 * make.MS, Stage.QUEUE, Kind.BATCH_WAIT)],
    )
    parent = worker.arrival(
        now + 800 * make.MS,
        requests=[make.request(4, now, now + 400 * make.MS, shape=1, trace=9)],
        calls=[
            make.call(4, 77, now + 10 * make.MS, now + 330 * make.MS),
            make.call(4, 78, now + 340 * make.MS, now + 380 * make.MS, foreign=1),
        ],
    )
    bench.do_pass(child, seconds=0.4)
    bench.do_pass(parent, seconds=0.4)
    for _ in range(4):
        bench.do_pass(worker.arrival(bench.clock.now + make.SECOND), seconds=1)
    until(lambda: bodies)
    until(lambda: (bench.do_pass(), bench.aggregator.counter(telemetry.SPANS_EXPORTED, ()).value)[1])
    sender.close()

    sent = ExportTraceServiceRequest.FromString(b"".join(bodies))
    spans = {span.span_id: span for part in sent.resource_spans for scope in part.scope_spans for span in scope.spans}
    hop, entry = spans[(5).to_bytes(8, "big")], spans[(4).to_bytes(8, "big")]
    assert hop.trace_id == entry.trace_id == (0xABC << 64 | 9).to_bytes(16, "big")
    assert hop.parent_span_id == (77).to_bytes(8, "big")
    assert spans[(77).to_bytes(8, "big")].parent_span_id == (4).to_bytes(8, "big")
    # Whoever put its traceparent there makes the span of this call.
    assert (78).to_bytes(8, "big") not in spans
    attributes = {a.key: a.value for a in hop.attributes}
    assert attributes["inference.cost.usd"].double_value == pytest.approx(0.130 * 0.001)
    assert attributes["inference.keep.reason"].string_value == "slow"
    assert "inference.queue" in {span.name for span in spans.values()}
    (cell,) = (
        sample
        for family in bench.pipeline.snapshot.families
        if family.entry is requests.REQUEST_DURATION
        for sample in family.samples
        if sample.labels == MODEL
    )
    assert {exemplar.trace_id for _, exemplar in cell.exemplars} == {0xABC << 64 | 9}
    assert bench.rows("select trace_lo, reason from kept") == [(9, "slow")]


@pytest.mark.parametrize("sampled", [True, False])
def test_spans_of_the_users_own_pipeline_are_not_exported_again(new_bench, make, collector, sampled):
    endpoint, bodies = collector
    sender = Sender(endpoint)
    sender.start()
    bench = new_bench(writer=TraceWriter(sender))
    worker, now = make.worker(), bench.clock.now
    flags = int(Flag.ENTRY | Flag.FOREIGN_SPANS | (Flag.SAMPLED if sampled else 0))
    bench.do_pass(
        worker.arrival(now + 400 * make.MS, requests=[make.request(5, now, now + 320 * make.MS, flags=flags, trace=9)]),
        seconds=0.4,
    )
    for _ in range(5):
        bench.do_pass(worker.arrival(bench.clock.now + make.SECOND), seconds=1)
    sender.close()

    found = {
        exemplar.trace_id
        for family in bench.pipeline.snapshot.families
        for sample in family.samples
        for _, exemplar in getattr(sample, "exemplars", ())
    }
    assert bodies == []
    # An exemplar leads to the user's trace, where there is one.
    assert found == ({0xABC << 64 | 9} if sampled else set())


def test_segments_in_the_recorder_are_those_of_the_request(bench, make):
    worker, now = make.worker(), bench.clock.now
    marked = [
        make.interval(5, now + 2 * step * make.MS, now + (2 * step + 1) * make.MS, Stage.PREPROCESS)
        for step in range(20)
    ]
    frame = worker.arrival(now + make.SECOND, requests=[make.request(5, now, now + 80 * make.MS)], intervals=marked)
    bench.do_pass(frame, seconds=1)

    (segments, preprocess, handler, duration) = bench.rows(
        "select segments, preprocess_ns, handler_ns, duration_ns from requests"
    )[0]
    assert len(segments) == MAX_SEGMENTS
    assert sum(segment >> 18 for segment in segments) == duration == 80 * make.MS
    assert (preprocess, handler) == (20 * make.MS, 60 * make.MS)


def test_tokens_of_a_stream_reach_series_and_recorder(bench, make):
    worker, now = make.worker(), bench.clock.now
    first, last = now + 20 * make.MS, now + 80 * make.MS
    streamed = make.request(5, now, now + 90 * make.MS, first_token=first, last_token=last, tokens_in=9, tokens_out=7)
    warm = make.request(6, now, now + 90 * make.MS, first_token=first, last_token=last, flags=3)
    gaps = [make.gap(5, 300, 4), make.gap(5, 0, 2), make.gap(6, 300, 5), make.gap(99, 300, 5)]
    bench.do_pass(worker.arrival(now + make.SECOND, requests=[streamed, warm], gaps=gaps), seconds=1)
    for _ in range(2):
        bench.do_pass(worker.arrival(bench.clock.now + 30 * make.SECOND), seconds=60)

    assert bench.value(requests.INTER_TOKEN, *MODEL) == (6, 60 * make.MS)
    assert bench.value(requests.TIME_PER_OUTPUT_TOKEN, *MODEL) == (1, 10 * make.MS)
    assert bench.value(requests.TIME_TO_FIRST_TOKEN, *MODEL) == (1, 20 * make.MS)
    assert bench.value(requests.TOKENS, *TENANT, "output") == 7
    stored = bench.rows("select first_token_ns, last_token_ns, tokens_in, tokens_out from requests where span_id = 5")
    assert stored == [(20 * make.MS, 80 * make.MS, 9, 7)]
