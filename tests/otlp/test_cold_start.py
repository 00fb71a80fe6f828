"""A cold start is a trace of its own: decoded, it is the waterfall of the process's start."""

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from inferometer.catalog import spans
from inferometer.catalog.phases import IN_ORDER, Phase
from inferometer.otlp import Resource
from inferometer.otlp.cold_start import cold_start_ids, encode_cold_start
from inferometer.record.cold_start import ColdStart, PhaseRun

MS = 1_000_000
OFFSET = 1_700_000_000 * 10**9
RESOURCE = Resource(service="svc", host="box", pid=42, region="eu")


def run(phase: Phase, start: int, end: int, **more: object) -> PhaseRun:
    return PhaseRun(phase=phase, start=start * MS, end=end * MS, **more)


START = ColdStart(
    worker_id=bytes(range(16)),
    region="eu",
    traced=True,
    phases=(
        run(Phase.INTERPRETER, 1000, 1100),
        run(Phase.IMPORT, 1100, 2000),
        run(Phase.STARTUP, 2000, 2300),
        run(Phase.WAIT, 2300, 3000),
        run(Phase.FIRST_REQUEST, 3000, 3100, trace_id=0xAB << 64 | 0xCD, span_id=0xEF),
        run(Phase.MODEL_LOAD, 1200, 1900, model="minilm"),
        run(Phase.MODEL_LOAD, 2100, 2200, model="reranker"),
        run(Phase.MODEL_LOAD, 1950, 2050, model="across"),
    ),
)


@pytest.fixture
def decoded():
    data, count = encode_cold_start(START, RESOURCE, OFFSET)
    (resource,) = ExportTraceServiceRequest.FromString(data).resource_spans
    (scope,) = resource.scope_spans
    assert len(scope.spans) == count
    assert {a.key: a.value.string_value for a in resource.resource.attributes}[spans.SERVICE_NAME.name] == "svc"
    return list(scope.spans)


def test_it_is_one_trace_with_one_root_from_the_processs_start_to_the_first_answer(decoded):
    (root,) = [span for span in decoded if not span.parent_span_id]

    assert {span.trace_id for span in decoded} == {root.trace_id}
    assert len({span.span_id for span in decoded}) == len(decoded)
    assert {span.kind for span in decoded} == {1}
    assert root.name == spans.COLD_START_SPAN
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (1000 * MS + OFFSET, 3100 * MS + OFFSET)
    assert [attribute.key for attribute in root.attributes] == [spans.KEEP.name]


def test_the_phases_are_its_children_and_sum_to_it_but_for_a_microsecond_each(decoded):
    (root,) = [span for span in decoded if not span.parent_span_id]
    children = [span for span in decoded if span.parent_span_id == root.span_id and not span.attributes]
    long = [span.end_time_unix_nano - span.start_time_unix_nano for span in children]

    assert [span.name for span in children] == [spans.phase_span(phase) for phase in IN_ORDER]
    assert sum(long) + 1000 * len(long) == root.end_time_unix_nano - root.start_time_unix_nano


def test_a_models_load_is_inside_the_phase_it_happened_in(decoded):
    by_id = {span.span_id: span.name for span in decoded}
    loads = {
        span.attributes[0].value.string_value: by_id[span.parent_span_id]
        for span in decoded
        if span.name == spans.MODEL_LOAD_SPAN
    }

    assert loads == {
        "minilm": spans.phase_span(Phase.IMPORT),
        "reranker": spans.phase_span(Phase.STARTUP),
        "across": spans.COLD_START_SPAN,
    }


def test_the_first_request_is_linked(decoded):
    linked = [span for span in decoded if span.links]

    assert [span.name for span in linked] == [spans.COLD_START_SPAN, spans.phase_span(Phase.FIRST_REQUEST)]
    for span in linked:
        (link,) = span.links
        assert link.trace_id == (0xAB << 64 | 0xCD).to_bytes(16, "big")
        assert link.span_id == (0xEF).to_bytes(8, "big")


def test_a_repeated_export_is_the_same_bytes_and_another_worker_another_trace():
    again = encode_cold_start(START, RESOURCE, OFFSET)

    assert again == encode_cold_start(START, RESOURCE, OFFSET)
    assert cold_start_ids(START.worker_id) == cold_start_ids(START.worker_id)
    assert cold_start_ids(START.worker_id) != cold_start_ids(bytes(reversed(range(16))))
