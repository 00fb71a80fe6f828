"""Objectives on engines: what a page tells well enough is promised, anything else refused with the quality's reason."""

import pytest
from typer.testing import CliRunner

from inferometer.errors import FleetError
from inferometer.fleet import engines
from inferometer.fleet.engines import Quality
from inferometer.fleet.loader import loads
from inferometer_compose.commands.declared import app

FLEET = """\
version: 1
fleet: engines
objectives:
  available: {{sli: availability, target: 99, window: 30d}}
  promised: {{{objective}, target: 99, window: 30d}}
receivers:
  oncall: {{webhook: {{url: "http://127.0.0.1:9099/alerts"}}}}
routes: {{page: oncall, ticket: oncall}}
services:
  served:
    engine: {engine}
    pages: ["http://10.0.0.7:8000/metrics"]
    models: {{m: {{objectives: [promised]}}}}
  mine: {{engine: fastapi, models: {{m: {{objectives: [available]}}}}}}
"""
PLACE = "fleet.yaml:13:31: "
"""Of the promise, where the model names it."""
DURATION = "inference_request_duration_seconds"
QUEUE = "sli: latency, threshold: 1s, stage: queue"

REFUSED = {
    "a mean only, of counters": (
        "triton", "sli: latency, threshold: 1s", DURATION, Quality.MEAN_ONLY,
        "latency cannot be read from triton: mean only: Counters of time and of requests, no distribution",
        "promise what it tells: availability",
    ),
    "a mean only, of another engine": (
        "torchserve", "sli: latency, threshold: 1s", DURATION, Quality.MEAN_ONLY,
        "latency cannot be read from torchserve: mean only: ",
        "or measure it in the server itself: import inferometer.auto",
    ),
    "absent, and no option switches it on": (
        "mlserver", "sli: time_to_first_token, threshold: 1s", "inference_time_to_first_token_seconds", Quality.ABSENT,
        "time_to_first_token cannot be read from mlserver: MLServer serves models of any kind and counts no tokens.",
        "promise what it tells: availability, freshness, latency",
    ),
    "absent, and an option switches it on": (
        "sglang", "sli: latency, threshold: 1s, stage: serialize",
        'inference_stage_duration_seconds{stage="serialize"}', Quality.ABSENT,
        "latency cannot be read from sglang: Stages of a request beside its prefill are in its spans only.",
        "switch it on: --enable-trace --otlp-traces-endpoint HOST:4317",
    ),
    "a lower bound of a time": (
        "dynamo", "sli: latency, threshold: 1s, stage: preprocess",
        'inference_stage_duration_seconds{stage="preprocess"}', Quality.LOWER_BOUND,
        "latency cannot be read from dynamo: lower bound: Of chat requests only",
        "promise what it tells: availability, freshness, latency, time_to_first_token",
    ),
    "requests without failures": (
        "kserve", "sli: availability", "inference_requests_total", Quality.LOWER_BOUND,
        "availability cannot be read from kserve: its page tells no failures",
        "promise a time",
    ),
    "no page at all": (
        "litserve", "sli: latency, threshold: 1s", DURATION, Quality.ABSENT,
        "latency cannot be read from litserve: LitServe has no metrics.",
        "switch it on: import inferometer.auto",
    ),
}  # fmt: skip
TAKEN = {
    "exact": ("ray-serve", "sli: latency, threshold: 200ms", DURATION, Quality.EXACT),
    "approximate": ("mlserver", "sli: latency, threshold: 100ms", DURATION, Quality.APPROXIMATE),
    "a lower bound of a count": (
        "kserve",
        "sli: freshness, threshold: 5m",
        "inference_requests_total",
        Quality.LOWER_BOUND,
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_a_page_does_not_carry_is_refused_at_its_place_with_the_reason_and_what_is_right(case):
    engine, objective, name, quality, message, hint = case
    assert engines.boundaries(engine)[name].quality is quality
    with pytest.raises(FleetError) as found:
        loads(FLEET.format(engine=engine, objective=objective))

    said = str(found.value)
    assert said.startswith(PLACE), said
    assert message in said
    assert hint in said


@pytest.mark.parametrize("case", TAKEN.values(), ids=TAKEN)
def test_what_a_page_carries_is_promised(case):
    engine, objective, name, quality = case

    assert engines.boundaries(engine)[name].quality is quality
    assert loads(FLEET.format(engine=engine, objective=objective)).services[0].name == "served"


@pytest.mark.parametrize(
    "arguments",
    [["generate", "--config", "FILE", "--out", "OUT"], ["slo", "status", "--config", "FILE"]],
    ids=["generate", "slo status"],
)
def test_commands_refuse_it_in_one_clear_message_and_write_nothing(tmp_path, arguments):
    file, out = tmp_path / "fleet.yaml", tmp_path / "out"
    file.write_text(FLEET.format(engine="triton", objective="sli: latency, threshold: 1s"))
    words = [{"FILE": str(file), "OUT": str(out)}.get(word, word) for word in arguments]
    ran = CliRunner().invoke(app, words, catch_exceptions=False)

    assert ran.exit_code == 2
    assert f"{file}:13:31: latency cannot be read from triton: mean only: Counters of time" in ran.output
    assert "Traceback" not in ran.output
    assert not out.exists()
