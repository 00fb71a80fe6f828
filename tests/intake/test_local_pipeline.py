"""Frames to series and traces, as an elected worker does it."""

import gzip
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from inferometer.aggregate import Aggregator, exact_bounds
from inferometer.catalog import requests, spans, telemetry
from inferometer.catalog.model import Series
from inferometer.catalog.stages import Outcome
from inferometer.errors import StateError
from inferometer.fleet.objective import Objective, Sli
from inferometer.fleet.thresholds import NOTHING, Thresholds
from inferometer.intake.keep import in_baseline
from inferometer.intake.local_pipeline import LocalPipeline
from inferometer.otlp.sender import Sender
from inferometer.otlp.writer import TraceWriter
from inferometer.record.model import Flag
from inferometer.wire.frame import Names
from inferometer.wire.gauges import Gauges

MS = 1_000_000
BEGIN = 5_000 * MS
SECOND = 10**9
NOWHERE = "http://127.0.0.1:9/v1/traces"
ODD = [number << 64 | number for number in range(1, 10_000) if not in_baseline(number)]
THRESHOLDS = Thresholds(
    objectives=(
        Objective(
            slo="s", service="svc", model="m", name="s", sli=Sli.LATENCY, threshold_ns=50 * MS, target="99",
            window_ns=1,
        ),
    )
)  # fmt: skip


class Made:
    """A pipeline with a clock to set and a page to read."""

    def __init__(self, url: str | None = None, thresholds: Thresholds = NOTHING) -> None:
        self.ns = BEGIN
        self.aggregator = Aggregator(extra_bounds=exact_bounds(thresholds), monotonic_ns=lambda: self.ns)
        self.sender = Sender(url, first_wait=0.02) if url is not None else None
        writer = TraceWriter(self.sender) if self.sender is not None else None
        self.pipeline = LocalPipeline(self.aggregator, thresholds, writer, monotonic_ns=lambda: self.ns)

    def values(self, entry: Series) -> dict[tuple[str, ...], float]:
        return {
            sample.labels: getattr(sample, "value", getattr(sample, "count", 0))
            for family in self.aggregator.snapshot().families
            if family.entry is entry
            for sample in family.samples
        }

    def restarted(self, url: str | None = None, *, same_boot: bool = True) -> "Made":
        other = Made(url)
        other.ns = self.ns
        other.pipeline.load(dict(self.pipeline.dump()), same_boot=same_boot)
        return other

    def seen(self, rows, count: int = 5) -> None:
        """Requests that are kept because they are the first ones of their model."""
        for number in range(count):
            rows.request(10**6 + number, trace=ODD[-1 - number])
        self.pipeline.absorb([rows.arrival()])


@pytest.fixture
def endpoint() -> Iterator[tuple[str, Callable[[], list[object]]]]:
    """An OTLP endpoint, and the spans that it has."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(gzip.decompress(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def found() -> list[object]:
        request = ExportTraceServiceRequest.FromString(b"".join(bodies))
        return [span for r in request.resource_spans for s in r.scope_spans for span in s.spans]

    yield f"http://127.0.0.1:{server.server_address[1]}/v1/traces", found
    server.shutdown()
    server.server_close()


def roots(found: list[object]) -> set[int]:
    return {int.from_bytes(span.span_id) for span in found if span.name == "POST /predict"}


def test_requests_and_batches_become_series_and_say_that_something_must_be_durable(rows):
    made, frame = Made(), rows()

    assert made.pipeline.absorb([frame.request(1).execute(1).batch(9).arrival()])
    assert not made.pipeline.absorb([frame.arrival()])

    assert made.values(requests.REQUESTS)["svc", "m", "", "", "", "", "ok", "true"] == 1
    assert made.values(requests.BATCHES) == {("svc", "m", "", "", "timeout"): 1}
    assert made.values(telemetry.RECORDS) == {("svc",): 1}


def test_frames_that_say_nothing_are_counted_with_the_next_that_does(rows):
    made, frame = Made(), rows()
    made.pipeline.absorb([frame.request(1).arrival()])
    made.pipeline.absorb([frame.arrival(), frame.arrival()])
    assert made.values(telemetry.FRAMES) == {("svc",): 1}, "what is shown is durable"

    made.pipeline.absorb([frame.request(2).arrival()])

    assert made.values(telemetry.FRAMES) == {("svc",): 4}


def test_without_an_endpoint_nothing_is_kept(rows):
    made = Made()
    made.pipeline.absorb([rows().request(1, outcome=Outcome.SERVER_ERROR).arrival()])
    made.pipeline.tick(made.ns)

    assert made.values(telemetry.TRACES_KEPT) == {}


def test_all_hops_of_a_kept_trace_are_exported_and_those_of_others_are_not(rows, endpoint):
    url, found = endpoint
    made, frame = Made(url), rows()
    made.seen(frame)
    made.pipeline.absorb([frame.request(1, trace=ODD[0]).execute(1).request(2, trace=ODD[1]).arrival()])
    made.pipeline.absorb([frame.request(3, trace=ODD[0], outcome=Outcome.SERVER_ERROR).arrival()])
    made.pipeline.absorb([frame.request(4, trace=ODD[0]).arrival()])
    made.sender.start()
    made.sender.close()
    made.pipeline.tick(made.ns)

    assert {1, 3, 4} <= roots(found())
    assert 2 not in roots(found())
    assert made.values(telemetry.TRACES_KEPT) == {("rare",): 5, ("failed",): 1}
    assert made.values(telemetry.SPANS_EXPORTED) == {(): len(found())}
    held = [span for span in found() if span.name == spans.stage_span(spans.Stage.EXECUTE)]
    assert len(held) == 1, "a hop that waited has all its parts"


def test_an_exemplar_appears_when_its_trace_was_accepted(rows, endpoint):
    url, _ = endpoint
    made = Made(url)
    made.pipeline.absorb([rows().request(1, trace=ODD[0]).arrival()])
    cell = made.aggregator.histogram(requests.REQUEST_DURATION, ("svc", "m", "", ""))
    assert not made.pipeline.tick(made.ns)
    assert not cell.exemplars

    made.sender.start()
    made.sender.close()

    assert made.pipeline.tick(made.ns)
    assert [exemplar.trace_id for exemplar in cell.exemplars.values()] == [ODD[0]]
    assert made.values(telemetry.DROPS) == {}


@pytest.mark.parametrize("exports", [True, False])
def test_spans_of_the_user_s_own_pipeline_are_not_exported_twice(rows, endpoint, exports):
    url, found = endpoint
    made = Made(url if exports else None)
    sampled = Flag.FOREIGN_SPANS | Flag.SAMPLED
    frame = rows().request(1, trace=ODD[0], flags=sampled).request(2, trace=ODD[1], flags=Flag.FOREIGN_SPANS)
    made.pipeline.absorb([frame.arrival()])
    if made.sender is not None:
        made.sender.start()
        made.sender.close()

    cell = made.aggregator.histogram(requests.REQUEST_DURATION, ("svc", "m", "", ""))
    assert found() == []
    assert {exemplar.trace_id for exemplar in cell.exemplars.values()} == {ODD[0]}


def test_hops_that_wait_survive_a_restart(rows, endpoint):
    url, found = endpoint
    first, frame = Made(NOWHERE), rows()
    first.seen(frame)
    first.pipeline.absorb([frame.request(1, trace=ODD[0]).execute(1).arrival()])

    second = first.restarted(url)
    second.pipeline.absorb([frame.request(2, trace=ODD[0], outcome=Outcome.SERVER_ERROR).arrival()])
    second.sender.start()
    second.sender.close()

    assert {1, 2} <= roots(found())
    assert second.values(telemetry.TRACES_KEPT)[("failed",)] == 1


def test_a_trace_of_another_boot_waits_no_more(rows):
    first, frame = Made(NOWHERE), rows()
    first.seen(frame)
    first.pipeline.absorb([frame.request(1, trace=ODD[0]).arrival()])

    second = first.restarted(NOWHERE, same_boot=False)
    second.pipeline.absorb([frame.request(2, trace=ODD[0], outcome=Outcome.SERVER_ERROR).arrival()])

    assert second.sender.waiting == 5 + 1


def test_an_open_request_turns_slow_once_whatever_restarts(rows):
    frame = rows()
    first = Made(thresholds=THRESHOLDS)
    assert not first.pipeline.absorb([frame.open(1).arrival(now=BEGIN + 50 * MS)])
    assert first.pipeline.absorb([frame.open(1).arrival(now=BEGIN + 51 * MS)])
    assert not first.pipeline.absorb([frame.open(1).arrival(now=BEGIN + 60 * MS)])

    second = Made(thresholds=THRESHOLDS)
    second.pipeline.load(dict(first.pipeline.dump()), same_boot=True)
    second.pipeline.absorb([frame.open(1).arrival(now=BEGIN + 70 * MS)])
    second.pipeline.absorb([frame.request(1, duration=80 * MS).arrival()])

    assert second.values(requests.SLO_EVENTS)["svc", "m", "", "", "", "s", "bad"] == 1


def test_what_a_dead_worker_left_open_ends_as_server_error_and_is_counted_once(rows):
    made, frame = Made(), rows()
    made.pipeline.absorb([frame.open(1).open(2).arrival()])
    made.ns += 31 * SECOND
    made = made.restarted()

    assert made.pipeline.departed([frame.info.worker_id])
    # It was only silent, and comes back.
    made.pipeline.absorb([frame.open(1).open(3).arrival()])
    made.pipeline.absorb([frame.request(1).request(2).request(3).arrival()])
    made.pipeline.departed([frame.info.worker_id])

    counted = {labels[6]: n for labels, n in made.values(requests.REQUESTS).items() if n}
    assert counted == {"server_error": 2, "ok": 1}
    assert made.values(telemetry.DROPS) == {("intake", "late"): 2}


def test_the_trace_of_what_a_dead_worker_left_open_is_kept_with_its_other_hops(rows, endpoint):
    url, found = endpoint
    made, frame = Made(url), rows()
    made.seen(frame)
    made.pipeline.absorb([frame.request(1, trace=ODD[0]).open(2, trace=ODD[0]).arrival()])
    made.ns += 31 * SECOND
    made.pipeline.departed([frame.info.worker_id])
    made.sender.start()
    made.sender.close()

    assert {1, 2} <= roots(found())
    (root,) = [span for span in found() if span.span_id == (2).to_bytes(8)]
    assert root.end_time_unix_nano - root.start_time_unix_nano >= 31 * SECOND


def test_what_was_open_when_the_host_went_down_ends_as_server_error(rows):
    first, frame = Made(), rows()
    first.pipeline.absorb([frame.open(1).arrival()])
    second = first.restarted(same_boot=False)
    second.ns = 3 * SECOND

    assert second.pipeline.departed([frame.info.worker_id])

    assert sum(n for labels, n in second.values(requests.REQUESTS).items() if labels[6] == "server_error") == 1
    assert second.aggregator.histogram(requests.REQUEST_DURATION, ("svc", "m", "", "")).total == 0


def test_counters_of_workers_are_added_once_by_their_differences(rows):
    made, frame, other = Made(), rows(), rows(names=Names())

    def gauges(drops: int) -> dict[str, object]:
        return Gauges(drops={"buffer_full": drops, "nonsense": 9}, hook_errors={"httpx": 2}).to_json()

    assert made.pipeline.absorb([frame.arrival(gauges=gauges(3))])
    assert not made.pipeline.absorb([frame.arrival(gauges=gauges(3))])
    made = made.restarted()
    assert made.pipeline.absorb([other.arrival(gauges=gauges(5))])

    assert made.values(telemetry.DROPS) == {("worker", "buffer_full"): 5}
    assert made.values(telemetry.HOOK_ERRORS) == {("svc", "httpx"): 2}


def test_gauges_are_sums_and_the_worst_of_the_workers_that_live(rows):
    made, one = Made(), rows()
    two = rows(info=replace(one.info, worker_id=b"2" * 16, pid=43))
    made.pipeline.absorb(
        [one.arrival(gauges=Gauges(in_flight=2, event_loop_lag_ns=5, cpu_ns=7, hooks={"a": "active"}).to_json())]
    )
    made.pipeline.absorb([two.arrival(gauges=Gauges(in_flight=3, event_loop_lag_ns=9, cpu_ns=8).to_json())])
    made.pipeline.tick(made.ns)
    both = made.values(requests.IN_FLIGHT), made.values(requests.EVENT_LOOP_LAG), made.values(telemetry.WORKERS)
    assert both == ({("svc", ""): 5}, {("svc", ""): 9}, {("svc",): 2})
    assert made.values(telemetry.PROCESS_CPU) == {("svc", "42"): 7, ("svc", "43"): 8}
    assert made.values(telemetry.HOOK_STATE) == {("svc", "a", "active"): 1}

    made.pipeline.departed([one.info.worker_id])
    made.pipeline.tick(made.ns)

    assert made.values(requests.IN_FLIGHT) == {("svc", ""): 3}
    assert made.values(telemetry.PROCESS_CPU) == {("svc", "43"): 8}
    assert made.values(telemetry.HOOK_STATE) == {}


def test_queues_in_front_of_workers_are_the_fullest_socket_and_all_threads(rows):
    made, one = Made(), rows()
    two = rows(info=replace(one.info, worker_id=b"2" * 16, pid=43))
    made.pipeline.absorb(
        [one.arrival(gauges=Gauges(accept_queues=(3, 1), threads=(40, 40, 7), proxy_skews=2).to_json())]
    )
    made.pipeline.absorb([two.arrival(gauges=Gauges(accept_queues=(2,), threads=(10, 1, 0), proxy_skews=1).to_json())])
    made.pipeline.tick(made.ns)

    assert made.values(requests.ACCEPT_QUEUE) == {("svc", ""): 3}
    assert made.values(requests.THREADS) == {("svc", ""): 50}
    assert made.values(requests.THREADS_BUSY) == {("svc", ""): 41}
    assert made.values(requests.THREADS_WAITED_FOR) == {("svc", ""): 7}
    assert made.values(telemetry.PROXY_SKEWS) == {("svc",): 3}

    made.pipeline.departed([one.info.worker_id])
    made.pipeline.absorb([two.arrival(gauges=Gauges(proxy_skews=1).to_json())])
    made.pipeline.tick(made.ns)

    # Nobody knows of a listening socket, or of threads: then there is no such series.
    assert made.values(requests.ACCEPT_QUEUE) == made.values(requests.THREADS) == {}
    assert made.values(telemetry.PROXY_SKEWS) == {("svc",): 3}


def test_gauges_that_are_none_cost_their_frame_nothing_else(rows):
    made, frame = Made(), rows()
    loads = Gauges(model_loads=(("m", 5),)).to_json()
    made.pipeline.absorb([frame.arrival(gauges=loads)])

    assert made.pipeline.absorb([frame.request(1).arrival(gauges={"in_flight": "many"})])

    assert made.values(requests.MODEL_LOAD) == {("svc", "m", ""): 1}
    assert made.values(telemetry.RECORDS) == {("svc",): 1}
    assert made.values(telemetry.DROPS) == {("intake", "undecodable"): 1}


@pytest.mark.parametrize(
    "section",
    ["local.series", "local.meter", "local.open", "local.workers", "local.hold", "local.frames", "local.names"],
)
def test_a_section_that_is_damaged_or_missing_is_refused(section):
    sections = dict(Made(NOWHERE).pipeline.dump())
    with pytest.raises(StateError):
        Made(NOWHERE).pipeline.load({**sections, section: b"[1]"}, same_boot=True)
    if section not in {"local.hold", "local.frames", "local.names"}:
        del sections[section]
        with pytest.raises(StateError, match="has no section"):
            Made(NOWHERE).pipeline.load(sections, same_boot=True)


@pytest.mark.broad
def test_ten_thousand_requests_are_taken_in_within_a_bounded_time(rows):
    made, frame = Made(NOWHERE), rows()
    for span in range(1, 10_001):
        frame.request(span, trace=ODD[span % len(ODD)]).execute(span)
    arrival = frame.arrival()
    begin = time.thread_time()

    made.pipeline.absorb([arrival])

    assert time.thread_time() - begin < 10
    assert sum(made.values(requests.REQUESTS).values()) == 10_000
