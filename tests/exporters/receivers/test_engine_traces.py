"""Engines' spans beyond one request: callers that are instrumented, spans that come late, the start of an engine."""

import secrets
import time

import pytest

from inferometer.catalog import requests, telemetry
from inferometer.catalog.phases import Phase
from inferometer.otlp.kept import Resource
from inferometer_exporters.receivers.engine_starts import ABANDONED_NS, PATIENCE_NS, Starts, Step

MS, SECOND = 10**6, 10**9


def some():
    return secrets.randbits(63) | 1


@pytest.fixture
def send(sidecar, make):
    """Sends spans of a service, of one trace."""

    def put(trace, spans, *, service, resource=None):
        body = make.request([{"trace_id": trace, **span} for span in spans], service=service)
        for key, value in (resource or {}).items():
            pair = body.resource_spans[0].resource.attributes.add()
            pair.key, pair.value.string_value = key, value
        assert make.post(sidecar.ports["otlp-http"], body.SerializeToString())[0] == 200

    return put


def dynamo(start, root, attempt, worker):
    """What a frontend of Dynamo exports, and what its worker does."""
    frontend = [
        {"span_id": root, "name": "http-request", "start": start, "end": start + 100 * MS},
        {"parent_id": root, "name": "kv_router.schedule", "start": start + 5 * MS, "end": start + 8 * MS},
        {"span_id": attempt, "parent_id": root, "name": "router.route_request", "kind": 3, "start": start + 5 * MS,
         "end": start + 98 * MS, "attributes": {"request.attempt": "0", "request.outcome": "success"}},
    ]  # fmt: skip
    said = {"component": "backend", "endpoint": "generate", "namespace": "dynamo", "x_request_id": "r-1"}
    below = [{"span_id": worker, "parent_id": attempt, "name": "handle_payload", "kind": 2, "start": start + 10 * MS,
              "end": start + 97 * MS, "attributes": said}]  # fmt: skip
    return frontend, below


def parts(hop):
    found = {}
    for one in hop["segments"]:
        name = f"{one['stage']}/{one['kind']}".rstrip("/")
        found[name] = found.get(name, 0) + one["duration_seconds"]
    return found


def test_a_request_of_dynamo_is_its_frontend_its_worker_and_the_engine_in_it(sidecar, make, send):
    trace, root, attempt, worker = some(), some(), some(), some()
    start = time.time_ns() - 5 * SECOND
    frontend, below = dynamo(start, root, attempt, worker)
    said = {"gen_ai.usage.prompt_tokens": 9, "gen_ai.latency.time_to_first_token": 0.03,
            "gen_ai.latency.time_in_model_prefill": 0.01, "gen_ai.latency.time_in_model_decode": 0.05}  # fmt: skip
    engine = {"span_id": some(), "parent_id": worker, "name": "llm_request", "kind": 2, "start": start + 12 * MS,
              "end": start + 96 * MS, "attributes": said}  # fmt: skip
    send(trace, frontend, service="dynamo-frontend")
    send(trace, below, service="dynamo-backend")
    send(trace, [engine], service="vllm")
    hops = make.wait(lambda: (got := sidecar.trace(trace)) and len(got["hops"]) == 3 and got["hops"])
    by_service = {hop["service"]: hop for hop in hops}

    near = {name: pytest.approx(seconds, abs=2e-6) for name, seconds in (
        ("queue/engine", 0.003), ("remote/inference", 0.090),
    )}  # fmt: skip
    assert {name: parts(by_service["dynamo-frontend"])[name] for name in near} == near
    assert by_service["dynamo-backend"]["route"] == "generate"
    assert by_service["dynamo-frontend"]["parent_span_id"] == ""
    assert by_service["dynamo-backend"]["parent_span_id"] == f"{root:016x}"
    assert by_service["vllm"]["parent_span_id"] == f"{worker:016x}"
    assert parts(by_service["vllm"])["execute/decode"] == pytest.approx(0.05, abs=2e-6)
    assert sum(parts(by_service["dynamo-frontend"]).values()) == pytest.approx(0.1, abs=1e-6)


def test_an_engine_below_an_instrumented_caller_is_a_hop_of_its_trace(sidecar, make, new_worker, send):
    trace, own, span = some(), some(), some()
    worker = new_worker(make.unix(sidecar.folder / "s.sock"))
    now = time.monotonic_ns()
    caller = make.request_row(own, now - SECOND, now - 100 * MS, trace=trace)
    worker.send(requests=caller)
    wall = time.time_ns() - time.monotonic_ns()
    start = now - 900 * MS + wall
    said = {"gen_ai.usage.completion_tokens": 7, "gen_ai.latency.time_to_first_token": 0.1,
            "gen_ai.latency.time_in_model_decode": 0.3, "gen_ai.latency.time_in_model_prefill": 0.1}  # fmt: skip
    llm = {"span_id": span, "parent_id": own, "name": "llm_request", "kind": 2, "start": start,
           "end": start + 500 * MS, "attributes": said}  # fmt: skip
    send(trace, [llm], service="llm")
    hops = make.wait(lambda: (got := sidecar.trace(trace)) and len(got["hops"]) == 2 and got["hops"])
    (ours,) = (hop for hop in hops if hop["service"] == "embedder")
    (theirs,) = (hop for hop in hops if hop["service"] == "llm")

    assert theirs["parent_span_id"] == ours["span_id"]
    assert theirs["tokens_out"] == 7
    # Only the caller's request entered the fleet.
    made = {"service": "llm", "entry": "true"}
    assert sidecar.value(requests.REQUESTS.name, **made) == 0


@pytest.mark.slow
def test_stages_that_come_after_their_request_are_counted_and_stand_in_its_waterfall(sidecar, make, send):
    trace, root, thread = some(), some(), some()
    start = time.time_ns() - 5 * SECOND
    end = start + 100 * MS
    send(trace, [{"span_id": root, "name": "unified Req 1f", "start": start, "end": end, "attributes": {"rid": "x"}}],
         service="sglang")  # fmt: skip
    make.wait(lambda: (got := sidecar.trace(trace)) and got["hops"])
    before = sidecar.value(telemetry.SPANS_LATE.name)
    late = [
        {"span_id": thread, "parent_id": root, "name": "Scheduler [TP 0] (host:a | pid:7)", "start": start, "end": end},
        {"parent_id": thread, "name": "prefill_forward", "start": start, "end": start + 60 * MS},
    ]
    send(trace, late, service="sglang")
    make.wait(lambda: sidecar.value(telemetry.SPANS_LATE.name) == before + 2)
    got = make.wait(lambda: (got := sidecar.trace(trace)) and len(got["spans"]) == 2 and got)
    assert len(got["hops"]) == 1

    # From here on the sidecar waits as long as exporters do: the same in two exports, two seconds apart, is one.
    again, root, thread = some(), some(), some()
    send(again, [{"span_id": root, "name": "unified Req 2f", "start": start, "end": end, "attributes": {"rid": "y"}}],
         service="sglang")  # fmt: skip
    time.sleep(2)  # The time between two exports, which is what is looked at: nothing else is waited for here.
    send(again, [{**one, "span_id": some(), "parent_id": root} for one in late[1:]], service="sglang")
    (hop,) = make.wait(lambda: (got := sidecar.trace(again)) and got["hops"])
    assert parts(hop)["execute/prefill"] == pytest.approx(0.06, abs=2e-6)
    assert sidecar.value(telemetry.SPANS_LATE.name) == before + 2


ENGINE = Resource(service="chat", host="box", pid=7, region="here")
STEPS = (
    ("EngineCoreProc init", 4.0, 58.0), ("Worker init", 5.0, 9.0), ("Load model", 10.0, 30.0),
    ("Inductor compilation", 31.0, 45.0), ("Capture model", 46.0, 50.0), ("Allocate KV cache", 50.0, 51.0),
    ("Warmup (GPU)", 51.0, 57.0), ("Overall Loading", 2.0, 60.0),
)  # fmt: skip


def starting(trace=(1, 2), steps=STEPS, at=0):
    return [
        Step(trace, name, at + round(begin * SECOND), at + round(end * SECOND), ENGINE) for name, begin, end in steps
    ]


def test_the_start_of_vllm_is_a_cold_start_once_its_last_spans_have_come():
    starts = Starts()
    starts.take(starting()[:-1], 70 * SECOND)
    assert starts.started(90 * SECOND, 0, lambda _: "qwen") == []
    starts.take(starting()[-1:], 90 * SECOND)
    assert starts.started(90 * SECOND + PATIENCE_NS - 1, 0, lambda _: "qwen") == []
    (found,) = starts.started(90 * SECOND + PATIENCE_NS, 0, lambda _: "qwen")
    runs = {(run.phase, run.model): (run.end - run.start) / SECOND for run in found.start.phases}

    assert found.start.ready_ns == 58 * SECOND
    assert runs[Phase.STARTUP, ""] == 58
    assert runs[Phase.MODEL_LOAD, "qwen"] == 20
    assert runs[Phase.WARMUP, ""] == 6
    assert [run.phase for run in found.start.phases].count(Phase.COMPILE) == 2
    # Spans that are sent again, and those of the time after, are of no second start.
    starts.take(starting(), 200 * SECOND)
    assert starts.started(300 * SECOND, 0, lambda _: "qwen") == []


def test_a_start_that_is_told_again_by_another_process_has_the_same_spans():
    found = []
    for _ in range(2):
        starts = Starts()
        starts.take(starting(), SECOND)
        found += starts.started(SECOND, 0, lambda _: "", everything=True)

    assert found[0].start.worker_id == found[1].start.worker_id


def test_a_start_whose_engines_failed_is_none_whatever_comes_of_it_later():
    starts = Starts()
    failed = starting()[-1]._replace(failed=True)
    starts.take([*starting()[:-1], failed], SECOND)
    starts.take(starting(), 2 * SECOND)

    assert starts.started(2 * SECOND, 0, lambda _: "", everything=True) == []


def test_a_start_that_never_ends_is_none_and_takes_no_room():
    starts = Starts()
    starts.take(starting()[:-1], SECOND)
    assert starts.started(SECOND + ABANDONED_NS, 0, lambda _: "") == []
    assert not starts._open
    for trace in range(200):
        starts.take(starting((trace, 1))[:1], 2 * SECOND)
    assert len(starts._open) <= 64


def test_the_start_of_vllm_is_counted_and_drawn_by_the_sidecar(new_store, make, tmp_path):
    sidecar = make.running(tmp_path, new_store.url)
    try:
        trace, at = some(), time.time_ns() - 70 * SECOND
        spans = [
            {"trace_id": trace, "name": name, "start": at + round(begin * SECOND), "end": at + round(end * SECOND)}
            for name, begin, end in STEPS
        ]
        body = make.request(spans, service="chat")
        pair = body.resource_spans[0].resource.attributes.add()
        pair.key, pair.value.string_value = "vllm.instrumenting_module_name", "vllm.llm_engine"
        assert make.post(sidecar.ports["otlp-http"], body.SerializeToString())[0] == 200
    finally:
        # What waits is told at the end.
        assert sidecar.end() == 0, sidecar.log()
    names = [span.name for span in new_store.spans()]

    assert names.count("inference.cold_start") == 1
    assert names.count("inference.model_load") == 1
    assert names.count("inference.cold_start.compile") == 2
    assert {"inference.cold_start.allocate", "inference.cold_start.warmup"} <= set(names)
    assert names.count("Load model") == 1


@pytest.fixture
def new_store(make):
    made = make.store()
    yield made
    made.close()
