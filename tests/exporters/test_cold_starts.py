"""The sidecar counts a cold start once and exports its waterfall once; its recorder stores nothing of it."""

from dataclasses import replace
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from inferometer.catalog import requests, spans
from inferometer.catalog.labels import PORT
from inferometer.catalog.phases import Phase
from inferometer.otlp.cold_start import cold_start_ids
from inferometer.otlp.sender import Settled
from inferometer.otlp.writer import TraceWriter
from inferometer.wire.layout import PHASES, Section
from inferometer_exporters.receivers import messages
from inferometer_exporters.receivers.engine_starts import PATIENCE_NS
from inferometer_exporters.receivers.enrichment import Home
from inferometer_exporters.receivers.foreign import Foreign
from inferometer_exporters.receivers.inbox import Inbox
from inferometer_exporters.receivers.taking import Taking
from inferometer_exporters.tally import Tally

DATA = Path(__file__).parents[1] / "data"
LABELS = ("gateway", "")


class Endpoint:
    """A sender that keeps what it is given and never hears from the endpoint."""

    def __init__(self):
        self.units = []

    def put(self, unit):
        self.units.append(unit)
        return True

    def settled(self):
        return Settled()

    def traces(self):
        joined = ExportTraceServiceRequest.FromString(b"".join(unit.data for unit in self.units))
        return [
            (span.name, int.from_bytes(span.trace_id, "big"))
            for part in joined.resource_spans
            for scope in part.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def told(make):
    """A worker's frame with its cold start."""

    def arrival(worker, now):
        made = worker.arrival(now)
        runs = ((Phase.IMPORT, now - 3 * make.SECOND, now - make.SECOND), (Phase.WAIT, now - make.SECOND, now))
        rows = b"".join(PHASES.row.pack(begin, end, 0, 0, 0, 0, 0, phase, 1, 0, 0) for phase, begin, end in runs)
        return replace(made, frame=replace(made.frame, tables={**made.frame.tables, Section.PHASES: rows}))

    return arrival


def test_it_is_counted_and_exported_once_across_restarts(new_bench, make, told):
    endpoint = Endpoint()
    bench, worker = new_bench(writer=TraceWriter(endpoint)), make.worker()
    bench.do_pass(told(worker, bench.clock.now))
    state = bench.do_pass(worker.arrival(bench.clock.now))

    assert bench.value(requests.COLD_STARTS, *LABELS) == 1
    assert bench.value(requests.COLD_START, *LABELS) == (1, 2 * make.SECOND)
    trace_id, _ = cold_start_ids(worker.worker_id)
    names = [spans.COLD_START_SPAN, spans.phase_span(Phase.IMPORT), spans.phase_span(Phase.WAIT)]
    assert endpoint.traces() == [(name, trace_id) for name in names]
    assert bench.rows("select count(*) from requests") == [(0,)]

    waiting = Endpoint()
    bench = new_bench(writer=TraceWriter(waiting), clock=bench.clock)
    bench.pipeline.load(state, same_boot=True)
    bench.do_pass(worker.arrival(bench.clock.now))

    assert bench.value(requests.COLD_STARTS, *LABELS) == 1
    assert waiting.traces() == endpoint.traces(), "it waits until the endpoint has accepted it"


def test_without_an_endpoint_it_is_counted(bench, make, told):
    bench.do_pass(told(make.worker(), bench.clock.now))

    assert bench.value(requests.COLD_STARTS, *LABELS) == 1


def test_the_start_of_an_engine_and_the_load_of_its_model_are_counted_by_its_spans(new_bench, make):
    inbox = Inbox(1 << 30)
    body = (DATA / "engine_spans/vllm-0.32.0-start.json").read_bytes()

    def foreign(bench, naming):
        return Foreign(inbox, bench.recorder, naming, home=Home(host="box"), only_model={"llm": "words"}.get)

    bench = new_bench(foreign=foreign)
    Taking(inbox, Tally(), PORT.values[3]).take(body, messages.from_json, near=True)
    for _ in range(3):
        bench.clock.now += PATIENCE_NS
        bench.do_pass()

    assert bench.value(requests.COLD_STARTS, "llm", "") == 1
    count, ns = bench.value(requests.MODEL_LOAD, "llm", "words", "")
    assert (count, ns / make.SECOND) == (1, pytest.approx(2.350, abs=0.001))
