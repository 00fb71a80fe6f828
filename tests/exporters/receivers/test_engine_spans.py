"""Spans as engines write them become requests with stages: through a real sidecar, read back from its API."""

import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer_exporters.receivers.engine_spans import NORMALIZERS, tgi


class Told(NamedTuple):
    """A span as a normalizer sees it."""

    name: str
    failed: bool
    attributes: dict
    start: int
    end: int
    events: Callable
    below: Callable


MS = 10**6
SECOND = 10**9


@pytest.fixture
def told(sidecar, make):
    """Sends one request's spans and waits until it is recorded; its hop, and seconds by stage and kind."""

    def send(spans, *, service):
        trace = secrets.randbits(127) | 1
        body = make.request([{"trace_id": trace, **span} for span in spans], service=service)
        make.post(sidecar.ports["otlp-http"], body.SerializeToString())
        (hop,) = make.wait(lambda: (got := sidecar.trace(trace)) and got["hops"])
        parts: dict[str, float] = {}
        for one in hop["segments"]:
            name = f"{one['stage']}/{one['kind']}" if one["kind"] else one["stage"]
            parts[name] = parts.get(name, 0) + one["duration_seconds"]
        return hop, parts

    return send


def near(expected):
    return {name: pytest.approx(seconds, abs=2e-6) for name, seconds in expected.items()}


def test_a_request_of_vllm_is_queue_prefill_and_decode(told):
    start = time.time_ns() - 5 * SECOND
    attributes = {
        "gen_ai.request.id": "cmpl-1",
        "gen_ai.usage.prompt_tokens": 512,
        "gen_ai.usage.completion_tokens": 60,
        "gen_ai.latency.time_to_first_token": 0.5,
        "gen_ai.latency.e2e": 2.0,
        "gen_ai.latency.time_in_queue": 0.3,
        "gen_ai.latency.time_in_model_prefill": 0.15,
        "gen_ai.latency.time_in_model_decode": 1.4,
        "gen_ai.latency.time_in_model_inference": 1.55,
    }
    span = {"name": "llm_request", "kind": 2, "start": start, "end": start + 2 * SECOND, "attributes": attributes}
    hop, parts = told([span], service="chat")

    assert parts == near({"handler": 0.15, "queue/engine": 0.3, "execute/prefill": 0.15, "execute/decode": 1.4})
    assert (hop["tokens_in"], hop["tokens_out"], hop["outcome"]) == (512, 60, "ok")
    assert hop["first_token_seconds"] == pytest.approx(0.5, abs=1e-6)
    assert sum(parts.values()) == pytest.approx(2.0, abs=1e-6)


def test_a_request_of_triton_is_network_queue_and_compute(told):
    start = time.time_ns() - 5 * SECOND
    root, model = secrets.randbits(63) | 1, secrets.randbits(63) | 1
    names = {"triton.model_name": "resnet", "triton.model_version": "3"}
    at = {name: start + ms * MS for name, ms in {
        "HTTP_RECV_START": 0, "HTTP_RECV_END": 4, "REQUEST_START": 5, "QUEUE_START": 6, "COMPUTE_START": 26,
        "COMPUTE_INPUT_END": 29, "COMPUTE_OUTPUT_START": 69, "COMPUTE_END": 71, "REQUEST_END": 72,
        "HTTP_SEND_START": 73, "HTTP_SEND_END": 75,
    }.items()}  # fmt: skip

    def events(prefix):
        return {name: moment for name, moment in at.items() if name.startswith(prefix)}

    end = start + 80 * MS
    hop, parts = told(
        [
            {"span_id": root, "name": "InferRequest", "kind": 2, "start": start, "end": end, "events": events("HTTP")},
            {"span_id": model, "parent_id": root, "name": "resnet", "kind": 2, "start": at["REQUEST_START"],
             "end": at["REQUEST_END"], "attributes": names, "events": events("REQUEST") | events("QUEUE")},
            {"parent_id": model, "name": "compute", "kind": 2, "start": at["COMPUTE_START"], "end": at["COMPUTE_END"],
             "events": events("COMPUTE")},
        ],
        service="triton",
    )  # fmt: skip

    assert (hop["model"], hop["version"], hop["outcome"]) == ("resnet", "3", "ok")
    assert parts == near({
        "network/read": 0.004, "queue/batch": 0.020, "execute/copy_in": 0.003, "execute": 0.040,
        "execute/copy_out": 0.002, "network/send": 0.002, "handler": 0.009,
    })  # fmt: skip


def test_a_request_of_sglang_is_its_stages_however_its_root_is_called(told):
    start = time.time_ns() - 5 * SECOND
    root, thread = secrets.randbits(63) | 1, secrets.randbits(63) | 1

    def stage(name, begin, end):
        return {"parent_id": thread, "name": name, "start": start + begin * MS, "end": start + end * MS}

    numbers = {"gen_ai.usage.prompt_tokens": 9, "gen_ai.usage.completion_tokens": 3, "gen_ai.response.model": "qwen",
               "gen_ai.latency.time_to_first_token": 0.06}  # fmt: skip
    end = start + 100 * MS
    hop, parts = told(
        [
            {"span_id": root, "name": "unified Req 1f2e3d4c", "start": start, "end": end, "attributes": {"rid": "x"}},
            {"span_id": thread, "parent_id": root, "name": "Scheduler [TP 0] (host:a | pid:7)", "start": start,
             "end": end, "attributes": numbers},
            stage("tokenize", 1, 3), stage("prefill_waiting", 5, 25), stage("prefill_forward", 25, 60),
            stage("decode_loop", 60, 95),
        ],
        service="sglang",
    )  # fmt: skip

    assert (hop["model"], hop["route"], hop["tokens_in"], hop["tokens_out"]) == ("qwen", "Req", 9, 3)
    assert parts == near({
        "preprocess": 0.002, "queue/engine": 0.020, "execute/prefill": 0.035, "execute/decode": 0.035, "handler": 0.008,
    })  # fmt: skip
    assert hop["first_token_seconds"] == pytest.approx(0.06, abs=1e-6)


def test_a_request_of_tgi_is_validation_queue_and_inference(told):
    start = time.time_ns() - 5 * SECOND
    root = secrets.randbits(63) | 1
    times = {"validation_time": "850.5µs", "queue_time": "12.25ms", "inference_time": "1.5s", "total_time": "1.6s"}
    end = start + 1600 * MS
    hop, parts = told(
        [
            {"span_id": root, "name": "POST /generate", "kind": 2, "start": start, "end": end,
             "attributes": {"http.response.status_code": 200, "http.route": "/generate"}},
            {"parent_id": root, "name": "generate", "start": start, "end": end, "attributes": times},
        ],
        service="tgi",
    )  # fmt: skip

    assert (hop["route"], hop["status"]) == ("/generate", 200)
    assert parts == near({"deserialize": 0.0008505, "queue/engine": 0.01225, "execute": 1.5, "handler": 0.0868995})


def test_a_request_of_ray_serve_is_the_way_to_a_replica_and_its_work(told):
    start = time.time_ns() - 5 * SECOND
    root, routed = secrets.randbits(63) | 1, secrets.randbits(63) | 1
    hop, parts = told(
        [
            {"span_id": root, "name": "proxy_http_request Embedder __call__ /embed", "kind": 2, "start": start,
             "end": start + 100 * MS, "attributes": {"http.response.status_code": 200, "http.route": "/embed/7"}},
            {"span_id": routed, "parent_id": root, "name": "route_to_replica Embedder __call__", "kind": 3,
             "start": start + 10 * MS, "end": start + 95 * MS},
            {"parent_id": routed, "name": "replica_handle_request Embedder __call__", "kind": 2,
             "start": start + 30 * MS, "end": start + 90 * MS, "attributes": {"http.route": "/embed"}},
        ],
        service="serve",
    )  # fmt: skip

    assert (hop["model"], hop["route"]) == ("Embedder", "/embed")
    assert parts == near({"queue/engine": 0.020, "handler": 0.080})


def test_phases_that_reach_out_of_their_request_are_cut_and_still_add_up(told):
    start = time.time_ns() - 5 * SECOND
    attributes = {
        "gen_ai.usage.prompt_tokens": 1, "gen_ai.latency.time_to_first_token": 0.5,
        "gen_ai.latency.time_in_queue": 9.0, "gen_ai.latency.time_in_model_prefill": 0.1,
        "gen_ai.latency.time_in_model_decode": 100.0,
    }  # fmt: skip
    span = {"name": "llm_request", "kind": 2, "start": start, "end": start + SECOND, "attributes": attributes}
    _, parts = told([span], service="chat")

    assert parts == near({"queue/engine": 0.4, "execute/prefill": 0.1, "execute/decode": 0.5})


@pytest.mark.parametrize(
    ("text", "ns"),
    [("12ns", 12), ("1.5µs", 1500), ("850.5ms", 850_500_000), ("2s", 2 * SECOND), ("0ns", 0),
     ("1.2", None), ("ms", None), ("-1ms", None), ("1h", None), ("1.2ms;x", None), (3.0, None), ("", None)],
)  # fmt: skip
def test_durations_as_rust_prints_them(text, ns):
    assert tgi.duration({"queue_time": text}, "queue_time") == ns


values = st.one_of(st.text(max_size=8), st.integers(-(2**63), 2**63 - 1), st.floats(), st.booleans())
attributes = st.dictionaries(st.sampled_from(sorted({name for one in NORMALIZERS for name in one.names})), values)
moments = st.integers(0, 2**62)
events = st.dictionaries(
    st.sampled_from(["QUEUE_START", "COMPUTE_START", "COMPUTE_INPUT_END", "COMPUTE_OUTPUT_START", "COMPUTE_END",
                     "HTTP_RECV_START", "HTTP_RECV_END"]), moments,
)  # fmt: skip
names = st.sampled_from(["llm_request", "InferRequest", "compute", "tokenize", "decode_loop", "proxy_http_request",
                         "route_to_replica", "replica_handle_request", "POST /generate", "http-request",
                         "handle_payload", "router.route_request", "kv_router.schedule", ""])  # fmt: skip


def spans(below):
    return st.builds(
        lambda name, failed, said, start, end, happened, under: Told(
            name, failed, said, start, end, lambda: happened, lambda: under
        ),
        names, st.booleans(), attributes, moments, moments, events, below,
    )  # fmt: skip


@given(spans(st.lists(spans(st.just([])), max_size=4)))
def test_whatever_a_span_says_it_is_a_request_with_known_stages_or_none(span):
    for ask in NORMALIZERS:
        facts = ask(span)
        if facts is None:
            continue
        assert isinstance(facts.outcome, Outcome)
        assert facts.tokens_in >= 0
        assert facts.tokens_out >= 0
        for part in facts.parts:
            assert isinstance(part.stage, Stage)
            assert isinstance(part.kind, Kind)
            assert isinstance(part.start, int)
            assert isinstance(part.end, int)
