"""What the sidecar answers becomes what the report shows."""

import json
from dataclasses import replace

import pytest

from inferometer.fleet.thresholds import Thresholds
from inferometer_compose.demo.asjson import as_json
from inferometer_compose.demo.budget import worst_left
from inferometer_compose.demo.reading import figures_of
from inferometer_compose.load.counts import Counts
from inferometer_compose.screens.hops import trace_of
from inferometer_compose.screens.waterfall import heading, lines
from inferometer_compose.stack.programs import Program

THRESHOLDS = Thresholds(tenant_header="x-tenant", known_tenants=("acme", "globex"))


def percentiles(p50):
    return {"p50_seconds": p50, "p95_seconds": 2 * p50, "p99_seconds": 3 * p50, "p999_seconds": 4 * p50}


def a_model(service, model, p50, *, version="", first=None):
    return {
        "service": service,
        "model": model,
        "version": version,
        "requests": 100,
        "outcomes": {"ok": 100},
        **percentiles(p50),
        "first_chunk": first and percentiles(first),
        "first_token": None,
        "time_per_output_token": None,
        "tokens_in": None,
        "tokens_out": None,
        "stages": {"execute": 0.7, "queue": 0.3},
        "tail": [{"stage": "queue", "kind": "batch", "share": 0.6}, {"stage": "execute", "kind": "", "share": 0.4}],
        "callee": "",
        "device_seconds": 1.0,
        "cost_usd": 0.0001,
        "cost_usd_per_1k": 0.001,
    }


def a_cost(tenant, usd, *, model="minilm", device_seconds=1.0, requests=10):
    return {
        "service": "embedder",
        "model": model,
        "tenant": tenant,
        "requests": requests,
        "device_seconds": device_seconds,
        "cost_usd": usd,
    }


def a_summary(**changes):
    return {
        "requests": 300,
        "hops": 600,
        "recorded_requests": 640,
        "kept_traces": 12,
        "models": [
            a_model("embedder", "minilm", 0.01, version="v1"),
            a_model("gateway", "/search", 0.02),
            a_model("embedder", "minilm", 0.005, version="v2"),
            a_model("listener", "vad", 0.05, first=0.004),
        ],
        "objectives": [
            {
                "slo": "gateway-search-available",
                "service": "gateway",
                "model": "/search",
                "objective": "available",
                "sli": "availability",
                "threshold_seconds": None,
                "target_ratio": 0.999,
                "good": 9990,
                "bad": 5,
            }
        ],
        "costs": [a_cost("acme", 2e-5), a_cost("hooli", 1e-5), a_cost("initech", 3e-5, requests=30)],
        "devices": [
            {
                "device": "host",
                "usd_per_hour": 0.2,
                "price_kind": "on_demand",
                "price_source": "list",
                "price_as_of": "2026-10-01",
                "bill_usd": 0.003,
                "idle_usd": 0.002,
                "idle_ratio": 0.66,
                "ledger_seconds": {"attributed": 20.0, "warm_idle": 40.0},
                "residual_ratio": 0.0,
            }
        ],
        **changes,
    }


def a_segment(stage, start, duration, kind=""):
    return {"stage": stage, "kind": kind, "start_seconds": start, "duration_seconds": duration, "merged": 1}


def a_hop(span, parent, service, route, **changes):
    return {
        "trace_id": "ab" * 16,
        "span_id": span,
        "parent_span_id": parent,
        "service": service,
        "model": route,
        "version": "",
        "tenant": "globex",
        "method": "POST",
        "route": route,
        "outcome": "ok",
        "status": 200,
        "wall_seconds": 1.0,
        "start_seconds": 0.0,
        "duration_seconds": 0.1,
        "device": "",
        "device_seconds": 0.0,
        "cost_usd": 0.0,
        "cost_method": "",
        "energy_joules": 0.0,
        "device_state": None,
        "request_class": "",
        "first_chunk_seconds": None,
        "first_token_seconds": None,
        "time_per_output_token_seconds": None,
        "tokens_in": None,
        "tokens_out": None,
        "bytes_in": 1,
        "bytes_out": 1,
        "stages": {},
        "segments": [a_segment("handler", 0.0, 0.1)],
        "calls": [],
        "executes": [],
        **changes,
    }


def a_trace():
    gateway = a_hop(
        "01" * 8,
        "",
        "gateway",
        "/search",
        segments=[
            a_segment("handler", 0.0, 0.01),
            a_segment("network", 0.01, 0.002, "transit"),
            a_segment("remote", 0.012, 0.076, "inference"),
            a_segment("network", 0.088, 0.002, "transit"),
            a_segment("handler", 0.09, 0.01),
        ],
    )
    embedder = a_hop(
        "02" * 8,
        "01" * 8,
        "embedder",
        "/embed",
        model="minilm",
        version="v1",
        outcome="server_error",
        status=500,
        start_seconds=0.012,
        duration_seconds=0.076,
        segments=[a_segment("queue", 0.0, 0.026, "batch"), a_segment("execute", 0.026, 0.05)],
        executes=[
            {
                "device": "host",
                "batch_id": "7",
                "batch_size": 8,
                "rows": 8,
                "start_seconds": 0.026,
                "duration_seconds": 0.05,
                "device_seconds": 0.00625,
                "cost_usd": 1e-7,
                "cost_method": "sweep",
                "energy_joules": None,
            }
        ],
    )
    return {
        "trace_id": "ab" * 16,
        "kept": "slow",
        "cost_usd": 1e-7,
        "device_seconds": 0.00625,
        "energy_joules": None,
        "unpriced_devices": [],
        "hops": [embedder, gateway],
        "spans": [],
    }


def figures(summary=None, slowest=None):
    return figures_of(summary or a_summary(), slowest, THRESHOLDS, alerts=(), alerts_missing="", exported_to="Jaeger")


def test_what_users_call_comes_first_and_then_the_slowest_tail():
    assert [(times.model, times.version) for times in figures().times] == [
        ("/search", ""), ("minilm", "v1"), ("minilm", "v2"), ("vad", ""),
    ]  # fmt: skip


def test_a_stream_is_shown_by_its_first_result():
    vad = figures().times[-1]

    assert vad.first_chunk
    assert vad.p50_seconds == 0.004


def test_unknown_tenants_are_added_up_as_other():
    (cost,) = figures().costs

    assert set(cost.tenants) == {"acme", "other"}
    assert cost.tenants["other"].usd == pytest.approx(4e-5)
    assert cost.tenants["other"].requests == 40


def test_models_that_run_nothing_or_have_no_price_are_not_in_the_costs():
    summary = a_summary(costs=[a_cost("acme", 0.0, device_seconds=0.0), a_cost("acme", None, model="magika")])

    assert figures(summary).costs == ()


def test_the_budget_left_is_that_of_the_worst_objective():
    found = figures()

    assert worst_left(found.objectives) == pytest.approx(1 - 5 / 9.995)
    assert worst_left(()) is None


def test_the_budget_left_is_that_of_the_worst_objective_whoever_tells_of_it():
    (ours,) = figures().objectives
    theirs = replace(ours, slo="llm-available", good=0, bad=10)

    assert worst_left([ours], [theirs]) == 0
    assert worst_left([ours], []) == worst_left([ours])


def test_a_trace_becomes_a_waterfall_with_the_callee_under_the_wait():
    trace = trace_of(a_trace())

    assert (trace.root.service, trace.tenant, trace.outcome, trace.cost) == ("gateway", "globex", "ok", "$0.00000010")
    (embedder,) = trace.root.children
    assert embedder.remark == "minilm v1, server_error 500, network 2.0 ms each way"
    drawn = [line.plain for line in lines(trace, width=140)]
    assert any("execute" in line and line.endswith("batch of 8") for line in drawn)


def test_a_trace_on_a_device_without_a_price_is_unpriced_and_never_free():
    answer = a_trace() | {"cost_usd": None, "unpriced_devices": ["host"]}
    unused = a_trace() | {"cost_usd": None}

    assert "unpriced: no price of host" in heading(trace_of(answer)).plain
    assert "$" not in heading(trace_of(answer)).plain
    assert "$" not in heading(trace_of(unused)).plain


def test_a_waterfall_says_how_the_device_was():
    answer = a_trace()
    answer["hops"][0]["energy_joules"] = 1.25
    answer["hops"][0]["device_state"] = {
        "device": "GPU-1",
        "utilization_ratio": 0.875,
        "sm_clock_hertz": 1.41e9,
        "temperature_celsius": 83.0,
        "throttle_reasons": ["thermal"],
        "throttled_seconds": 0.03,
    }
    drawn = [line.plain.strip() for line in lines(trace_of(answer), width=140)]

    assert "GPU-1: 88 % used, 1.41 GHz, 83 °C, 1.25 J, throttled 30 ms (thermal)" in drawn


def test_hops_whose_caller_is_not_recorded_are_drawn_too():
    answer = a_trace()
    answer["hops"][0]["parent_span_id"] = "ff" * 8

    trace = trace_of(answer)

    assert trace.root.service == "gateway"
    assert [child.service for child in trace.root.children] == ["embedder"]


def test_json_has_what_the_design_names_and_nothing_that_json_lacks():
    answer = as_json(
        figures(slowest=a_trace()),
        sent=Counts(sent=300, ok=300).to_json(10.0, done=True),
        urls={"live": "http://127.0.0.1:9465"},
        peers=[Program("Prometheus", reason="not found")],
        recorder="recorder.duckdb",
    )

    assert json.loads(json.dumps(answer, allow_nan=False)) == answer
    assert answer["requests"] == 300
    assert set(answer["models"]) == {"/search", "minilm@v1", "minilm@v2", "vad"}
    assert answer["models"]["/search"]["p99_seconds"] == pytest.approx(0.06)
    assert answer["models"]["minilm@v1"]["cost_usd_per_1k"] == pytest.approx(0.0012)
    assert answer["tenants"]["acme"]["cost_usd"] == pytest.approx(2e-5)
    assert answer["devices"]["host"]["ledger"] == {"attributed": 20.0, "warm_idle": 40.0}
    assert answer["trace_example"] == "ab" * 16
    assert answer["peers"] == {"prometheus": None}
    assert answer["urls"] == {"live": "http://127.0.0.1:9465"}
