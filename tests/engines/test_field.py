"""Pages that no fixture is of: other versions and options, told by what is changed on a captured page.

What a mapping does not know is reported by its name and counts nowhere; what is gone is missing, with its reason.
"""

import re
from pathlib import Path

import pytest

from inferometer.catalog import engines, requests
from inferometer.errors import SourceError
from inferometer.fleet.engines import load, names
from inferometer_exporters.engines.reading import read

PAGES = Path(__file__).parents[1] / "data" / "engines"
CAPTURED = {
    "bentoml": "bentoml/bentoml-1.4.39",
    "dynamo": "dynamo/dynamo-1.6.1-frontend-mocker",
    "dynamo-worker": "dynamo/dynamo-1.6.1-worker-mocker",
    "kserve": "kserve/kserve-0.21.0",
    "litellm": "litellm/litellm-2025-06-datadog",
    "llm-d-epp": "llm-d-epp/llm-d-router-epp-2026-08-goldens",
    "mlserver": "mlserver/mlserver-1.7.1",
    "nim": "nvidia-nim/nvidia-nim-1.0.0-datadog",
    "production-stack": "vllm-production-stack-router/vllm-production-stack-router-2026-08",
    "ray-serve": "ray-serve/ray-serve-2.60.0",
    "sglang": "sglang/sglang-0.5.23-cpu",
    "sglang-router": "sglang-router/sglang-router-0.3.2",
    "tgi": "tgi/tgi-2025-09-datadog",
    "torchserve": "torchserve/torchserve-0.12.0",
    "triton": "triton/triton-2.51.0-cpu-default",
    "vllm": "vllm/vllm-0.32.0-cpu",
}
UNCAPTURED = {"litserve", "seldon", "tensorrt-llm", "tf-serving"}
NO_PREFIX = {"kserve", "nim"}
"""Their own names are listed one by one: a name that is not listed could be anybody's."""
CARRIERS = {"dynamo-worker"}
"""The engine inside tells what they no longer do."""
NEW = {
    "bentoml": "bentoml_service_gpu_waits_total",
    "dynamo": "dynamo_frontend_gpu_waits_total",
    "dynamo-worker": "dynamo_component_gpu_waits_total",
    "litellm": "litellm_gpu_waits_total",
    "llm-d-epp": "llm_d_epp_gpu_waits_total",
    "mlserver": "model_infer_gpu_waits_total",
    "production-stack": "vllm:gpu_waits_total",
    "ray-serve": "ray_serve_gpu_waits_total",
    "sglang": "sglang:gpu_waits_total",
    "sglang-router": "smg_gpu_waits_total",
    "tgi": "tgi_gpu_waits_total",
    "torchserve": "ts_gpu_waits_total",
    "triton": "nv_waits_total",
    "vllm": "vllm:gpu_waits_total",
}
"""A name of each engine's that no version has."""
OUTCOMES = {
    "bentoml": ('http_response_code="200"', 'http_response_code="teapot"'),
    "dynamo": ('status="success"', 'status="teapot"'),
    "production-stack": ('status="success"', 'status="teapot"'),
    "ray-serve": ('status_code="200"', 'status_code="teapot"'),
    "sglang": ('status_code="200"', 'status_code="teapot"'),
    "sglang-router": ('status_code="200"', 'status_code="teapot"'),
    "tgi": ('err="validation"', 'err="teapot"'),
    "llm-d-epp": ('error_code="Internal"', 'error_code="teapot"'),
    "vllm": ('status="2xx"', 'status="teapot"'),
}
"""A value of the label that says how requests ended, and one that no version has."""

OTHER_RANKS = ('tp_rank="1",pp_rank="0"', 'tp_rank="0",pp_rank="1"')
BESIDES = {
    "bentoml": [
        'bentoml_service_request_total{endpoint="/healthz",http_response_code="200",service_name="iris"} 9',
        'bentoml_service_request_in_progress{endpoint="/metrics",service_name="iris"} 9',
    ],
    "dynamo-worker": ['dynamo_component_inflight_requests{dynamo_endpoint="worker_kv_query_source_1"} 9'],
    "litellm": ['litellm_proxy_total_requests_metric_total{requested_model="m",route="/health",status_code="200"} 9'],
    "mlserver": ['rest_server_requests_in_progress{app_name="mlserver",method="HEAD"} 9'],
    "ray-serve": [
        'ray_serve_num_http_requests_total{application="",route="/-/healthz",status_code="200"} 9',
        'ray_serve_http_request_latency_ms_count{application="",route="/-/healthz",status_code="200"} 9',
    ],
    "sglang": [
        'sglang:prefill_effective_tokens_total{mode="of_a_later_version",model_name="tiny-llama"} 9',
    ]
    + [
        f'sglang:{name}model_name="tiny-llama",{rank}}} 0.9'
        for rank in OTHER_RANKS
        for name in (
            "num_running_reqs{",
            "num_queue_reqs{",
            "token_usage{",
            "queue_time_seconds_count{",
            'per_stage_req_latency_seconds_count{stage="prefill_forward",',
            'prefill_effective_tokens_total{mode="input",',
            'prefill_effective_tokens_total{mode="device_hit",',
        )
    ],
}
"""Samples of health checks, of the server's own calls, and of other ranks that observe the same requests."""


def page(engine):
    return (PAGES / f"{CAPTURED[engine]}.prom").read_text()


def reading(engine, text):
    return read(text.encode(), engine)


def requests_told(found):
    return {
        (value.labels.get("model"), value.labels["outcome"]): value.value
        for value in found.signals.get(requests.REQUESTS.name, ())
    }


def without(text, family):
    """The page without a family's samples, its declaration and all."""
    parts = r"(?:_bucket|_sum|_count|_created)?"
    return re.sub(rf"^(?:# (?:HELP|TYPE) )?{re.escape(family)}{parts}[ {{].*\n", "", text, flags=re.MULTILINE)


def test_every_mapping_is_tried_on_a_captured_page_or_said_to_have_none():
    assert set(CAPTURED) | UNCAPTURED == set(names())
    assert all(not load(engine).tested for engine in UNCAPTURED - {"litserve"})
    assert all(load(engine).tested for engine in CAPTURED)


@pytest.mark.parametrize("engine", NEW)
def test_a_new_series_of_the_engine_is_reported_and_changes_nothing(engine):
    new = NEW[engine]
    found = reading(engine, f"{page(engine)}\n# TYPE {new} counter\n{new} 5\n")

    assert found.unknown == [new]
    assert found.signals == reading(engine, page(engine)).signals


@pytest.mark.parametrize("engine", sorted(set(CAPTURED) - NO_PREFIX - {"mlserver", "torchserve"} - CARRIERS))
def test_a_series_of_a_new_name_is_unknown_and_its_signal_missing_not_guessed(engine):
    before = reading(engine, page(engine))
    family = before.signals[signal_of(before)][0].source
    found = reading(engine, re.sub(rf"\b{re.escape(family)}(?=[_ {{])", f"{family}_v2", page(engine)))

    assert any(name.startswith(f"{family}_v2") for name in found.unknown)
    assert all(value.source != family for values in found.signals.values() for value in values)
    gone = set(before.signals) - set(found.signals)
    assert gone
    assert all("this page" in found.missing[name].reason for name in gone)


def signal_of(found):
    """A signal that one family alone tells, where there is one source of it on the page."""
    for name, values in found.signals.items():
        if len({value.source for value in values}) == 1 and name != requests.REQUESTS.name:
            return name
    raise AssertionError(found.signals)


@pytest.mark.parametrize("engine", CAPTURED)
def test_a_page_without_a_series_misses_its_signals_and_no_other(engine):
    before = reading(engine, page(engine))
    family = before.signals[signal_of(before)][0].source
    found = reading(engine, without(page(engine), family))

    lost = {name for name, values in before.signals.items() if {value.source for value in values} == {family}}
    kept = set(before.signals) - lost
    assert kept <= set(found.signals) | fallen_back(before, family)
    assert found.unknown == []
    for name in kept - fallen_back(before, family):
        assert found.signals[name] == before.signals[name]


def fallen_back(before, family):
    """Signals that have a number of the family in them besides others."""
    mapping = load(before.engine)
    numbers = {
        told.signal.name
        for told in mapping.signals
        for source in told.sources
        for operand in (*source.add, *(one for one in (source.count, source.over) if one is not None))
        if operand.series == family
    }
    shared = {name for name, values in before.signals.items() if family in {value.source for value in values}}
    return (numbers | shared) & set(before.signals)


@pytest.mark.parametrize("engine", OUTCOMES)
def test_an_end_of_a_request_that_nobody_knows_is_reported_and_counts_as_none(engine):
    known, unheard = OUTCOMES[engine]
    before = requests_told(reading(engine, page(engine)))
    found = reading(engine, page(engine).replace(known, unheard))
    after = requests_told(found)

    assert any("teapot" in name for name in found.unknown)
    assert sum(after.values()) < sum(before.values())
    assert all(after[at] <= before[at] for at in after)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("# TYPE my_requests_total counter\nmy_requests_total 1\n", "no engine that is known"),
        ("", "no engine that is known"),
    ],
    ids=["somebody's page", "an empty page"],
)
def test_a_page_of_nobody_we_know_is_refused(text, wrong):
    with pytest.raises(SourceError, match=wrong):
        read(text.encode())


def test_the_routers_page_that_writes_vllms_names_is_not_taken_for_vllms():
    found = read(page("production-stack").encode())

    assert found.engine == "production-stack"
    assert engines.RUNNING.name not in found.signals


def test_a_gauge_of_no_number_is_missing_not_nan():
    text = re.sub(r"^(sglang:token_usage\{.*\}) .*$", r"\1 NaN", page("sglang"), flags=re.MULTILINE)

    assert engines.KV_CACHE.name not in reading("sglang", text).signals


def test_a_device_timer_that_is_switched_on_is_told_and_one_that_is_off_says_what_would_switch_it_on():
    line = (
        "# TYPE sglang:forward_execution_seconds_total counter\n"
        'sglang:forward_execution_seconds_total{category="EXTEND",model_name="m",tp_rank="0",pp_rank="0"} 2\n'
        'sglang:forward_execution_seconds_total{category="DECODE",model_name="m",tp_rank="0",pp_rank="0"} 3\n'
        'sglang:forward_execution_seconds_total{category="DECODE",model_name="m",tp_rank="1",pp_rank="0"} 3\n'
        'sglang:forward_execution_seconds_total{category="DECODE",model_name="m",tp_rank="0",pp_rank="1"} 3\n'
    )
    on, off = reading("sglang", page("sglang") + line), reading("sglang", page("sglang"))

    assert [value.value for value in on.signals[engines.BUSY.name]] == [5]
    assert "SGLANG_ENABLE_METRICS_DEVICE_TIMER" in off.missing[engines.BUSY.name].flag


def test_sums_that_ray_makes_up_are_not_told():
    found = reading("ray-serve", page("ray-serve"))

    for signal in (requests.BATCH_SIZE, requests.REQUEST_DURATION, requests.MODEL_LOAD):
        assert all(value.sum is None for value in found.signals[signal.name])
        assert all(value.count for value in found.signals[signal.name])


def test_sglang_under_ray_and_through_the_collector_is_the_same_engine():
    for prefix in ("ray_sglang_", "sglang_"):
        found = read(page("sglang").replace("sglang:", prefix).encode())

        assert found.engine == "sglang"
        assert set(found.signals) == set(reading("sglang", page("sglang")).signals)
        assert found.unknown == []


def test_names_of_tensorflow_serving_begin_with_a_colon_and_its_times_are_microseconds():
    found = read(
        b"# TYPE :tensorflow:serving:request_count counter\n"
        b':tensorflow:serving:request_count{model_name="half",status="OK"} 7\n'
        b':tensorflow:serving:request_count{model_name="half",status="INVALID_ARGUMENT"} 2\n'
        b"# TYPE :tensorflow:serving:request_latency histogram\n"
        b':tensorflow:serving:request_latency_bucket{model_name="half",API="predict",entrypoint="REST",le="10"} 1\n'
        b':tensorflow:serving:request_latency_bucket{model_name="half",API="predict",entrypoint="REST",le="18"} 6\n'
        b':tensorflow:serving:request_latency_bucket{model_name="half",API="predict",entrypoint="REST",le="+Inf"} 7\n'
        b':tensorflow:serving:request_latency_sum{model_name="half",API="predict",entrypoint="REST"} 120\n'
        b':tensorflow:serving:request_latency_count{model_name="half",API="predict",entrypoint="REST"} 7\n'
    )
    (duration,) = found.signals[requests.REQUEST_DURATION.name]

    assert requests_told(found) == {("half", "ok"): 7, ("half", "client_error"): 2}
    assert duration.buckets == ((1e-5, 1), (1.8e-5, 6))
    assert (duration.count, duration.sum) == (7, pytest.approx(120e-6))


@pytest.mark.parametrize("engine", BESIDES)
def test_what_is_no_request_of_a_user_or_told_by_another_rank_changes_nothing(engine):
    before = reading(engine, page(engine))
    found = reading(engine, "\n".join([page(engine), *BESIDES[engine], ""]))

    assert found.signals == before.signals
    assert found.unknown == []


def test_with_requests_that_wait_more_of_nims_requests_are_in_flight():
    text = re.sub(r"^(num_requests_waiting\{.*\}) .*$", r"\1 4", page("nim"), flags=re.MULTILINE)

    assert reading("nim", text).signals[requests.IN_FLIGHT.name][0].value == 5
