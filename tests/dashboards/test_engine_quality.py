"""What engines cannot say is said: on every panel that shows it, and in one table."""

from pathlib import Path

import pytest

from inferometer.catalog import engines as catalog
from inferometer.catalog.requests import REQUESTS, STAGE_DURATION, TIME_PER_OUTPUT_TOKEN, TIME_TO_FIRST_TOKEN
from inferometer.fleet import engines
from inferometer.fleet.engines import Quality, boundaries
from inferometer.fleet.loader import load, loads
from inferometer_dashboards.boards import engine_quality
from inferometer_dashboards.boards.llm import serving
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


def test_a_fleet_whose_services_are_all_instrumented_needs_no_note():
    example = load(Path(__file__).parents[2] / "examples/fleet.yaml")

    assert engine_quality.note(example, TIME_TO_FIRST_TOKEN) == ""
    assert engine_quality.table(example, catalog.SIGNALS) == engine_quality.ALL_INSTRUMENTED


@pytest.mark.parametrize("engine", [name for name in engines.names() if name != "litserve"])
def test_a_note_says_the_quality_and_the_reason_of_the_mapping(engine):
    told = boundaries(engine)
    of = fleet((engine, None))
    contains = engines.load(engine).contains

    for signal in catalog.SIGNALS:
        note = engine_quality.note(of, signal.entry, value=signal.value)
        known = told[signal.name]
        assert note.startswith(f"\n\n{engines.load(engine).title}"), signal.name
        if known.quality is not Quality.ABSENT or not contains:
            assert f": {known.quality.value.replace('_', ' ')}." in note
            assert known.reason.rstrip(".") in note
            assert known.flag.rstrip(".") in note


@pytest.mark.parametrize("version", ["0.4.3", "0.32"])
def test_a_note_is_of_the_version_that_the_fleet_has(version):
    known = boundaries("vllm", version)[TIME_PER_OUTPUT_TOKEN.name]

    note = engine_quality.note(fleet(("vllm", version)), TIME_PER_OUTPUT_TOKEN)

    assert f"vLLM {version}: {known.quality}. {known.reason.rstrip('.')}" in note


def test_versions_of_an_engine_differ_in_what_they_tell():
    old, new = (boundaries("vllm", version)[TIME_PER_OUTPUT_TOKEN.name] for version in ("0.4.3", "0.32"))

    assert (old.quality, old.reason) != (new.quality, new.reason)


def test_replicas_of_one_engine_are_told_once_and_versions_apart():
    note = engine_quality.note(fleet(("vllm", "0.32"), ("vllm", "0.32"), ("vllm", "0.8.5")), TIME_TO_FIRST_TOKEN)

    assert note.count("vLLM 0.32") == 1
    assert note.count("vLLM 0.8.5") == 1


def test_a_page_that_passes_on_an_engine_inside_tells_what_that_one_tells():
    assert boundaries("dynamo-worker")[TIME_TO_FIRST_TOKEN.name].quality is Quality.ABSENT

    note = engine_quality.note(fleet(("dynamo-worker", None)), TIME_TO_FIRST_TOKEN)

    assert "NVIDIA Dynamo (worker): exact, by vLLM in it." in note


def test_a_note_is_of_the_stage_that_is_shown():
    note = engine_quality.note(fleet(("triton", None)), STAGE_DURATION, value="queue")

    assert note == "\n\nTriton Inference Server: mean only. Counters of time and of requests, no distribution."


def test_the_table_has_a_row_per_signal_a_column_per_engine_and_a_line_per_reason():
    of = fleet(("vllm", "0.32"), ("triton", None))
    lines = engine_quality.table(of, catalog.SIGNALS).splitlines()

    assert lines[0] == "| signal | vLLM 0.32 | Triton Inference Server |"
    rows = [line for line in lines if line.startswith("| `")]
    assert len(rows) == len(catalog.SIGNALS)
    assert all(row.count("|") == 4 for row in rows)
    requests = boundaries("vllm", "0.32")[REQUESTS.name]
    assert any(
        f"**vLLM 0.32**, `{REQUESTS.name}`: {requests.quality.value}. {requests.reason}" in line for line in lines
    )


def test_the_board_shows_the_table_and_ends_descriptions_with_a_note():
    board = serving(fleet(("triton", None)))
    panels = {panel.key: panel for panel in board.panels()}

    assert panels["engine-notes"].kind is Kind.TEXT
    assert "| signal | Triton Inference Server |" in panels["engine-notes"].text
    assert panels["engine-queue"].description.endswith("no distribution.")
    assert "lower bound" in panels["kv-cache"].description
