"""What engines cannot say is said: on every panel that shows it, and in one table."""

from functools import cache
from pathlib import Path

import pytest

from inferometer.catalog import engines as engines_catalog
from inferometer.catalog.engines import SIGNALS
from inferometer.catalog.requests import (
    INTER_TOKEN,
    REQUESTS,
    STAGE_DURATION,
    TIME_PER_OUTPUT_TOKEN,
    TIME_TO_FIRST_TOKEN,
    TOKENS,
)
from inferometer.fleet import engines
from inferometer.fleet.engines import Quality, boundaries
from inferometer.fleet.loader import load, loads
from inferometer_dashboards.boards import boards, engine_quality
from inferometer_dashboards.panels import Kind

SERVICE = """
  {name}:
    engine: {engine}
    {version}
    pages: ["http://{name}:8000/metrics"]
    models: {{one: {{objectives: []}}}}
"""


def fleet(*engines_and_versions: tuple[str, str | None]):
    services = "".join(
        SERVICE.format(name=f"service-{number}", engine=engine, version=f'version: "{version}"' if version else "")
        for number, (engine, version) in enumerate(engines_and_versions)
    )
    return loads(
        f"version: 1\nfleet: test\nservices:{services}\n"
        "objectives: {available: {sli: availability, target: 99, window: 30d}}\n"
        'receivers: {oncall: {webhook: {url: "http://alerts/page"}}}\nroutes: {page: oncall, ticket: oncall}\n'
    )


@cache
def panels(of):
    """Panels of a fleet's boards."""
    return {(board.uid.value, panel.key): panel for board in boards(of) for panel in board.panels()}


def panel(of, board: str, key: str):
    """A panel as a fleet's boards have it."""
    return panels(of)[f"inferometer-{board}", key]


def note(of, board: str, key: str) -> str:
    """The paragraph behind its description."""
    return panel(of, board, key).description.partition("\n\n")[2]


def test_a_fleet_whose_services_are_all_instrumented_needs_no_note():
    example = load(Path(__file__).parents[2] / "examples/fleet.yaml")

    assert not [one.key for board in boards(example) for one in board.panels() if "\n\n" in one.description]
    assert engine_quality.table(example, SIGNALS) == engine_quality.ALL_INSTRUMENTED


SHOWN = {
    INTER_TOKEN: "between-tokens",
    TIME_TO_FIRST_TOKEN: "first-token",
    engines_catalog.PREFILL: "prefill",
    engines_catalog.KV_CACHE: "kv-cache",
    engines_catalog.PREEMPTIONS: "preemptions",
    engines_catalog.STEP_TOKENS: "step-tokens",
}


@pytest.mark.parametrize("engine", ["vllm", "sglang", "triton", "dynamo-worker", "torchserve", "litserve"])
def test_a_note_says_the_quality_and_the_reason_of_the_mapping(engine):
    of = fleet((engine, None))
    inside = engines.load(engine).contains

    for entry, key in SHOWN.items():
        known = boundaries(engine)[entry.name]
        said = note(of, "llm", key)
        assert said.startswith(f"{engines.load(engine).title}: "), key
        if known.quality is not Quality.ABSENT or not inside:
            assert f": {known.quality.value.replace('_', ' ')}." in said
            assert known.reason.rstrip(".") in said
            assert known.flag.rstrip(".") in said


@pytest.mark.parametrize("version", ["0.4.3", "0.32"])
def test_a_note_is_of_the_version_that_the_fleet_has(version):
    known = boundaries("vllm", version)[TIME_PER_OUTPUT_TOKEN.name]

    said = note(fleet(("vllm", version)), "llm", "time-per-output-token")

    assert said == f"vLLM {version}: {known.quality}. {known.reason.rstrip('.')}."


def test_versions_of_an_engine_differ_in_what_they_tell():
    old, new = (boundaries("vllm", version)[TIME_PER_OUTPUT_TOKEN.name] for version in ("0.4.3", "0.32"))

    assert (old.quality, old.reason) != (new.quality, new.reason)


def test_replicas_of_one_engine_are_told_once_and_versions_apart():
    said = note(fleet(("vllm", "0.32"), ("vllm", "0.32"), ("vllm", "0.8.5")), "llm", "first-token")

    assert said == "vLLM 0.32: exact. vLLM 0.8.5: exact."


def test_a_page_that_passes_on_an_engine_inside_tells_what_that_one_tells():
    assert boundaries("dynamo-worker")[TIME_TO_FIRST_TOKEN.name].quality is Quality.ABSENT

    assert note(fleet(("dynamo-worker", None)), "llm", "first-token") == "NVIDIA Dynamo (worker): exact, by vLLM in it."


def test_a_note_is_of_the_stage_that_is_shown():
    said = note(fleet(("triton", None)), "queues", "queue-quantiles")

    assert said == "Triton Inference Server: mean only. Counters of time and of requests, no distribution."


def test_of_all_stages_or_directions_those_are_named_that_are_told():
    assert note(fleet(("triton", None)), "model", "stage-shares").startswith(
        f"Triton Inference Server, `{STAGE_DURATION.name}`: queue (mean only), execute (mean only)."
    )
    assert (
        note(fleet(("vllm", "0.32")), "llm", "tokens") == f"vLLM 0.32, `{TOKENS.name}`: input (exact), output (exact)."
    )
    assert note(fleet(("mlserver", None)), "llm", "tokens") == f"MLServer, `{TOKENS.name}`: absent."


def test_a_panel_of_two_signals_names_both():
    said = note(fleet(("vllm", "0.32")), "llm", "prefix-cache")

    queries, hits = engines_catalog.PREFIX_QUERIES.name, engines_catalog.PREFIX_HITS.name
    assert said == f"vLLM 0.32, `{queries}`: exact. vLLM 0.32, `{hits}`: exact."


def test_panels_of_what_no_engine_tells_have_no_note():
    of = fleet(("vllm", "0.32"), ("triton", None))

    assert note(of, "gpu", "utilization") == ""
    assert note(of, "cost", "bill") == ""
    assert note(of, "queues", "event-loop") == ""


def test_the_table_has_a_row_per_signal_a_column_per_engine_and_a_line_per_reason():
    of = fleet(("vllm", "0.32"), ("triton", None))
    lines = engine_quality.table(of, SIGNALS).splitlines()

    assert lines[0] == "| signal | vLLM 0.32 | Triton Inference Server |"
    rows = [line for line in lines if line.startswith("| `")]
    assert len(rows) == len(SIGNALS)
    assert all(row.count("|") == 4 for row in rows)
    known = boundaries("vllm", "0.32")[REQUESTS.name]
    why = f"- **vLLM 0.32**, `{REQUESTS.name}`: {known.quality}. {known.reason}"
    assert any(line.startswith(why) for line in lines)


def test_the_board_shows_the_table():
    notes = panel(fleet(("triton", None)), "llm", "engine-notes")

    assert notes.kind is Kind.TEXT
    assert "| signal | Triton Inference Server |" in notes.text
