"""A cold start is counted once and its waterfall exported once, whatever is resent and whoever dies."""

import gzip
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from inferometer.aggregate import Aggregator
from inferometer.catalog import requests, spans
from inferometer.catalog.phases import Phase
from inferometer.fleet.thresholds import NOTHING
from inferometer.intake.listeners import listen_unix
from inferometer.intake.local_pipeline import LocalPipeline
from inferometer.intake.passes import Intake, boot_id
from inferometer.intake.server import Server
from inferometer.intake.state import StateFile
from inferometer.otlp.sender import Sender
from inferometer.otlp.writer import TraceWriter
from inferometer.wire.frame import Frame, Names, encode
from inferometer.wire.layout import PHASES, Section
from inferometer.wire.message import Type, pack

MS = 1_000_000
RUNS = ((Phase.INTERPRETER, 1000, 1100), (Phase.IMPORT, 1100, 2000), (Phase.FIRST_REQUEST, 2000, 2100))


class KilledError(BaseException):
    """The process dies here."""


def rows_of_phases(traced: int = 1) -> bytes:
    return b"".join(
        PHASES.row.pack(start * MS, end * MS, 0, 0, 0, 0, 1, phase, traced, 0, 0) for phase, start, end in RUNS
    )


def told(arrival, traced: int = 1):
    """The same frame with a cold start."""
    frame = replace(arrival.frame, tables={**arrival.frame.tables, Section.PHASES: rows_of_phases(traced)})
    return replace(arrival, frame=frame, names=Names(arrival.names.shapes, {1: "eu"}))


@pytest.fixture
def store():
    """An OTLP endpoint and the names of the spans that it has, by trace."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bodies.append(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def found():
        request = ExportTraceServiceRequest.FromString(b"".join(bodies))
        return [span for part in request.resource_spans for scope in part.scope_spans for span in scope.spans]

    yield f"http://127.0.0.1:{server.server_address[1]}/v1/traces", found
    server.shutdown()
    server.server_close()


class Made:
    """A local pipeline and what it shows."""

    def __init__(self, url):
        self.aggregator = Aggregator()
        self.sender = Sender(url, first_wait=0.02)
        self.writer = TraceWriter(self.sender)
        self.pipeline = LocalPipeline(self.aggregator, NOTHING, self.writer)

    def values(self, entry):
        return {
            sample.labels: getattr(sample, "value", getattr(sample, "count", 0))
            for family in self.aggregator.snapshot().families
            if family.entry is entry
            for sample in family.samples
        }


def test_it_is_counted_and_its_waterfall_exported(rows, store):
    url, found = store
    made, frame = Made(url), rows()
    assert made.pipeline.absorb([told(frame.arrival())])
    made.sender.start()
    made.sender.close()

    assert made.values(requests.COLD_STARTS) == {("svc", "eu"): 1}
    assert made.values(requests.COLD_START) == {("svc", "eu"): 1}
    assert [span.name for span in found()] == [
        spans.COLD_START_SPAN,
        *(spans.phase_span(phase) for phase, _, _ in RUNS),
    ]


def test_the_histogram_is_the_time_until_it_was_ready(rows, store):
    made = Made(store[0])
    made.pipeline.absorb([told(rows().arrival())])
    (sample,) = [s for f in made.aggregator.snapshot().families if f.entry is requests.COLD_START for s in f.samples]

    assert sample.total == 1000 * MS


def test_without_spans_of_ours_it_is_counted_only(rows, store):
    made = Made(store[0])
    made.pipeline.absorb([told(rows().arrival(), traced=0)])

    assert made.values(requests.COLD_STARTS) == {("svc", "eu"): 1}
    assert made.sender.waiting == 0


@pytest.mark.parametrize("step", ["absorbed", "committed", "written", "synced", "renamed", "published", "acknowledged"])
def test_a_kill_at_any_step_of_a_pass_loses_and_repeats_nothing(connect, store, tmp_path, step):
    """The worker resends what was not acknowledged; an export that is repeated is the same trace, byte for byte."""
    url, found = store
    worker = connect()
    worker.path = tmp_path / "i.sock"
    worker.request()
    sequence, _ = worker.waiting.pop()
    message = _with_phases(worker, sequence)
    worker.waiting.append((sequence, message))

    def life(after_step):
        made = Made(url)
        server = Server([listen_unix(worker.path)], boot_id=boot_id())
        state = StateFile(tmp_path / "state")
        intake = Intake(server, made.pipeline, state, boot_id=boot_id(), period=0.01, after_step=after_step)
        intake.restore()
        made.sender.start()
        return made, intake

    def die(name):
        if name == step and made.values(requests.COLD_STARTS):
            raise KilledError

    made, intake = life(die)
    pump = Thread(target=worker.settle, args=(1.0,))
    pump.start()
    deadline = time.monotonic() + 20
    try:
        while time.monotonic() < deadline:
            intake.turn()
    except KilledError:
        pass
    else:
        pytest.fail(f"no pass came to {step}")
    made.sender.close(seconds=0.5)
    intake.close()
    pump.join()
    worker.close()

    made, intake = life(lambda _: None)
    pump = Thread(target=worker.settle, args=(5.0,))
    pump.start()
    while pump.is_alive() or not found():
        intake.turn()
        assert time.monotonic() < deadline
    for _ in range(5):
        intake.turn()
    made.sender.close()
    intake.close()

    assert made.values(requests.COLD_STARTS) == {("svc", ""): 1}
    exported = [span for span in found() if span.name.startswith(spans.COLD_START_SPAN)]
    assert len({span.SerializeToString() for span in exported}) == 1 + len(RUNS)


def _with_phases(worker, sequence):
    frame = Frame(
        worker_id=worker.worker_id, sequence=sequence, monotonic_ns=time.monotonic_ns(), wall_ns=time.time_ns(),
        tables={Section.PHASES: rows_of_phases()},
    )  # fmt: skip
    return pack(Type.FRAME, encode(frame))
