"""The start of a real server, from its process to its first answer: one waterfall, and what it adds up to."""

import gzip
import threading
import time
import urllib.request
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pytest
from free_ports import free_port
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from inferometer.catalog import requests, spans
from inferometer.catalog.phases import IN_ORDER, Phase
from inferometer.otlp.endpoint import Endpoint
from inferometer.wire.cold_starts import cold_start
from inferometer_exporters.ports import Address
from inferometer_exporters.sidecar import Sidecar
from inferometer_exporters.sidecar_settings import SidecarSettings

UVICORN = ("-m", "uvicorn", "loading_app:app", "--port", "{port}")
PRELOADING = (
    "-m", "gunicorn", "loading_app:app", "-k", "uvicorn.workers.UvicornWorker", "--preload", "-w", "2",
    "--bind", "127.0.0.1:{port}",
)  # fmt: skip


class Store:
    """A trace store: spans by trace."""

    def __init__(self):
        self.traces = defaultdict(list)
        store = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers["Content-Encoding"] == "gzip":
                    body = gzip.decompress(body)
                for part in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in part.scope_spans:
                        for span in scope.spans:
                            store.traces[span.trace_id].append(span)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def cold_starts(self):
        return [trace for trace in list(self.traces.values()) if trace[0].name == spans.COLD_START_SPAN]


@pytest.fixture
def store():
    made = Store()
    yield made
    made.server.shutdown()
    made.server.server_close()


def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def counted(port):
    """Series of cold starts and loads on a page, by name without labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        found = defaultdict(float)
        for family in families:
            for sample in family.samples:
                found[sample.name] += sample.value
        return found


def told(collector):
    found = [cold_start(frame, collector.names_of(frame.worker_id)) for frame in collector.frames]
    return [one for one in found if one is not None]


def named(trace):
    (root,) = [span for span in trace if not span.parent_span_id]
    by_id = {span.span_id: span.name for span in trace}
    loads = {
        span.attributes[0].value.string_value: by_id[span.parent_span_id]
        for span in trace
        if span.name == spans.MODEL_LOAD_SPAN
    }
    return root, loads


def check_waterfall(trace):
    root, loads = named(trace)
    phases = [span for span in trace if span.parent_span_id == root.span_id]
    total = root.end_time_unix_nano - root.start_time_unix_nano

    assert [span.name for span in phases] == [spans.phase_span(phase) for phase in IN_ORDER]
    assert sum(span.end_time_unix_nano - span.start_time_unix_nano + 1000 for span in phases) == total
    assert all(one.end_time_unix_nano + 1000 == other.start_time_unix_nano for one, other in pairwise(phases))
    assert loads == {"mul_1": spans.phase_span(Phase.IMPORT), "sigmoid": spans.phase_span(Phase.STARTUP)}
    # A second ago, not years: both clocks are this host's.
    assert 0 < time.time_ns() - root.start_time_unix_nano < 60 * 10**9
    return root


def test_the_start_of_a_server_is_one_waterfall_with_its_first_request(start, store, tmp_path):
    metrics = free_port()
    server = start(
        *UVICORN, INFEROMETER_ENABLED="1", INFEROMETER_RUNTIME_DIR=str(tmp_path / "run"),
        INFEROMETER_METRICS=f"127.0.0.1:{metrics}", OTEL_EXPORTER_OTLP_ENDPOINT=store.address,
    )  # fmt: skip
    for _ in range(3):
        server.first_answer("/seen")
    (trace,) = until(store.cold_starts)
    root = check_waterfall(trace)
    page = until(lambda: counted(metrics) if counted(metrics)[requests.COLD_STARTS.name] else None)

    (link,) = root.links
    assert link.trace_id in store.traces, "the first request's own trace is kept: it is the first of its model"
    assert page[requests.COLD_STARTS.name] == page[f"{requests.COLD_START.name}_count"] == 1
    assert page[f"{requests.MODEL_LOAD.name}_count"] == 2
    ready = page[f"{requests.COLD_START.name}_sum"]
    assert 0.05 < ready < (root.end_time_unix_nano - root.start_time_unix_nano) / 1e9
    server.process.terminate()
    server.process.wait(10)
    assert len(store.cold_starts()) == 1


def test_a_sidecar_exports_the_same_waterfall(start, store, tmp_path):
    sidecar = Sidecar(
        SidecarSettings(
            socket=tmp_path / "sidecar" / "s.sock", state=tmp_path / "state", metrics=Address("127.0.0.1", 0),
            api=Address("127.0.0.1", 0), otlp=Endpoint(url=f"{store.address}/v1/traces"), host="box",
        )
    )  # fmt: skip
    thread = threading.Thread(target=sidecar.run)
    thread.start()
    try:
        address = f"unix://{tmp_path / 'sidecar' / 's.sock'}"
        server = start(*UVICORN, INFEROMETER_ENABLED="1", INFEROMETER_SIDECAR=address)
        server.first_answer("/seen")
        (trace,) = until(store.cold_starts)
        page = until(lambda: counted(sidecar.page.port) if counted(sidecar.page.port)[requests.COLD_STARTS.name] else 0)
    finally:
        sidecar.stop()
        thread.join(15)

    check_waterfall(trace)
    assert page[requests.COLD_STARTS.name] == page[f"{requests.COLD_START.name}_count"] == 1
    assert len(store.cold_starts()) == 1


def test_workers_of_a_preloading_server_each_begin_at_their_fork(start, collector):
    server = start(
        *PRELOADING, INFEROMETER_ENABLED="1", INFEROMETER_SIDECAR=collector.address, INFEROMETER_FLUSH_SECONDS="0.05"
    )
    begun = time.monotonic_ns()
    server.first_answer("/seen")
    collector.until(lambda: len({hello.worker_id for hello in collector.hellos}) == 2, 30)
    server.process.terminate()
    server.process.wait(15)
    starts = told(collector)

    assert len(starts) == 2
    assert len({one.worker_id for one in starts}) == 2
    for one in starts:
        # Imports and the first model were the master's; a worker begins when it is forked, and starts the application.
        assert one.start >= begun
        assert [run.model for run in one.phases if run.phase is Phase.MODEL_LOAD] == ["sigmoid"]
        assert sum(run.end - run.start for run in one.phases if run.phase in IN_ORDER) == one.end - one.start
    assert sum(any(run.phase is Phase.FIRST_REQUEST for run in one.phases) for one in starts) == 1


def test_what_is_imported_before_the_line_is_the_interpreters_and_after_it_the_imports(start, collector, tmp_path):
    (tmp_path / "late_app.py").write_text(
        "import time\ntime.sleep(0.3)\nimport inferometer.auto\ntime.sleep(0.2)\n"
        + Path(__file__).with_name("plain_app.py").read_text()
    )
    server = start(
        "-m", "uvicorn", "late_app:app", "--port", "{port}", PYTHONPATH=str(tmp_path),
        INFEROMETER_SIDECAR=collector.address, INFEROMETER_FLUSH_SECONDS="0.05",
    )  # fmt: skip
    server.first_answer("/seen")
    collector.wait(1)
    (one,) = until(lambda: told(collector))
    took = {run.phase: (run.end - run.start) / 1e9 for run in one.phases}

    assert took[Phase.INTERPRETER] > 0.3
    assert took[Phase.IMPORT] > 0.2


def test_a_grpc_server_tells_of_its_start_too(start, collector):
    environment = {"INFEROMETER_SIDECAR": collector.address, "INFEROMETER_FLUSH_SECONDS": "0.05"}
    assert start("grpc_once.py", INFEROMETER_ENABLED="1", **environment).process.wait(30) == 0
    (one,) = told(collector)
    took = {run.phase: (run.end - run.start) / 1e9 for run in one.phases}

    assert {Phase.INTERPRETER, Phase.IMPORT, Phase.FIRST_REQUEST} <= set(took)
    assert took[Phase.WAIT] > 0.45


def test_a_job_is_seen_by_its_first_unit_alone_so_when_it_was_ready_is_not_known(start, collector):
    environment = {"INFEROMETER_SIDECAR": collector.address, "INFEROMETER_FLUSH_SECONDS": "0.05"}
    assert start("job_once.py", INFEROMETER_ENABLED="1", **environment).process.wait(30) == 0

    assert len(collector.records) == 1
    assert told(collector) == []
