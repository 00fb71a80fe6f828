"""The commands `inferometer engines …`: on a terminal, as JSON, with pages that are wrong."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from inferometer import generated_tables
from inferometer.catalog import requests
from inferometer.catalog.engines import KV_CACHE, SIGNALS
from inferometer.fleet import engines
from inferometer.fleet.engines import coverage
from inferometer_compose.commands.declared import app

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "tests/data/engines"
VLLM = PAGES / "vllm/vllm-0.9.2-cpu-scrape2.prom"


def run(*arguments: str, code: int = 0, given: bytes | None = None) -> str:
    ran = CliRunner().invoke(app, ["engines", *arguments], input=given, catch_exceptions=False)
    assert ran.exit_code == code, ran.output
    return ran.output


def test_check_says_whose_page_it_is_what_maps_and_what_is_missing():
    shown = run("check", str(VLLM))

    assert shown.startswith("vLLM  >=0.9 <0.12 (by the names on its page) · 354 series · model=tiny-llama replica=0")
    assert f"{requests.TIME_TO_FIRST_TOKEN.name}" in shown
    assert "577, mean 27 ms" in shown
    assert "vLLM >=0.12 tells it; this page (>=0.9 <0.12) does not" in shown
    assert "github.com/vllm-project/vllm issue 31503" in shown


def test_check_as_json_has_values_with_their_source_and_quality():
    found = json.loads(run("check", str(VLLM), "--version", "0.9.2", "--model", "mine", "--json"))

    assert (found["engine"], found["version"], found["version_from"]) == ("vllm", "0.9.2", "fleet")
    (kv,) = found["signals"][KV_CACHE.name]
    assert kv == {
        "value": 0.001708984375, "labels": {"model": "tiny-llama", "replica": "0"},
        "source": "vllm:kv_cache_usage_perc", "quality": "exact",
    }  # fmt: skip
    answered = [one for one in found["signals"][requests.REQUESTS.name] if one["labels"]["outcome"] == "ok"]
    assert [(one["labels"]["model"], one["value"]) for one in answered] == [("mine", 542.0)]
    assert found["unknown"] == []
    assert set(found["signals"]) | set(found["missing"]) == {signal.name for signal in SIGNALS}


def test_a_page_of_an_unknown_name_ends_with_1_and_names_it(tmp_path):
    page = tmp_path / "page.prom"
    page.write_text(VLLM.read_text() + "# TYPE vllm:brand_new gauge\nvllm:brand_new 1\n")

    assert "vllm:brand_new" in run("check", str(page), code=1)
    assert json.loads(run("check", str(page), "--json", code=1))["unknown"] == ["vllm:brand_new"]


def test_a_page_is_read_from_standard_input():
    assert json.loads(run("check", "-", "--json", given=VLLM.read_bytes()))["engine"] == "vllm"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "/nowhere/page"], "/nowhere/page: No such file or directory"),
        (["check", str(VLLM), "--engine", "vlm"], "there is no mapping of the engine 'vlm'; did you mean 'vllm'?"),
        (["check", str(PAGES / "SOURCES.md")], "no sample: 'Text as the servers wrote it"),
        (["check", "http://127.0.0.1:1/metrics"], "Connection refused"),
        (["check", "http://user@host/metrics"], "is no URL of a page"),
        (["coverage", "--engine", "x"], "there is no mapping of the engine 'x'"),
    ],
)
def test_wrong_use_ends_with_2_and_one_clear_line(arguments, said):
    shown = run(*arguments, code=2)

    assert said in shown.replace("\n", " ")
    assert "Traceback" not in shown


def test_a_page_over_http_is_checked(engine):
    engine.page = VLLM.read_bytes()

    assert run("check", engine.url).startswith("vLLM  >=0.9 <0.12")


def test_list_and_coverage_name_every_engine_and_every_signal():
    listed, table = run("list"), run("coverage")

    assert all(name in listed and name in table for name in engines.names())
    assert all(signal.name in table for signal in SIGNALS)
    assert {one["engine"] for one in json.loads(run("list", "--json"))["engines"]} == set(engines.names())


def test_coverage_of_one_engine_says_why_it_is_not_better():
    shown = " ".join(run("coverage", "--engine", "triton").split())

    assert "Counters of time and of requests, no distribution; summaries cannot be added up." in shown
    found = json.loads(run("coverage", "--engine", "triton", "--json"))["triton"][requests.REQUEST_DURATION.name]
    assert (found["quality"], found["le"]) == ("mean_only", [])


def test_the_tables_of_the_documents_are_those_of_the_mappings():
    path = ROOT / "docs/engines.md"

    assert generated_tables.filled(path.read_text(), coverage.TABLES) == path.read_text(), "run `make generate`"
