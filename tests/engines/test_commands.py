"""The commands `inferometer engines …`: on a terminal, as JSON, with pages that are wrong."""

import base64
import json
from pathlib import Path

import locked_pages as locked
import pytest
from typer.testing import CliRunner

from inferometer import generated_tables
from inferometer.catalog import gpus, requests
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


def test_an_empty_page_is_said_to_be_empty(tmp_path):
    page = tmp_path / "page.prom"
    page.write_text("\n")

    assert f"{page}: the page is empty" in run("check", str(page), code=2)


def test_each_engine_is_listed_with_the_place_of_its_page_in_lines_of_a_terminal():
    shown = run("list").splitlines()
    at = next(number for number, line in enumerate(shown) if line.startswith("  litellm "))

    assert shown[at].split()[:3] == ["litellm", "LiteLLM", "proxy"]
    assert shown[at + 1].startswith("    http://HOST:4000/metrics; litellm_settings: ")
    assert max(map(len, shown)) <= 120


def test_a_saved_page_whose_last_line_lost_its_end_is_read_and_that_is_said(tmp_path):
    page = tmp_path / "page.prom"
    page.write_bytes(VLLM.read_bytes().rstrip(b"\n"))
    shown = run("check", str(page))

    assert f"{page}: the last line has no end; it is taken as whole" in shown
    assert "354 series" in shown


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


def test_a_page_that_asks_is_checked_with_what_the_command_line_says(tmp_path):
    page = locked.LockedPage(VLLM.read_bytes(), expects=f"Bearer {locked.TOKEN}")
    (tmp_path / "token").write_text(f"{locked.TOKEN}\n")
    try:
        shown = run("check", page.url, "--token-file", str(tmp_path / "token"))
        refused = run("check", page.url, code=2)
    finally:
        page.close()

    assert shown.startswith("vLLM  >=0.9 <0.12")
    assert "answers 401 Unauthorized; it asks who that is" in refused.replace("\n", " ")


FLEET = """
version: 1
fleet: checked
objectives: {{available: {{sli: availability, target: 99, window: 30d}}}}
receivers: {{oncall: {{webhook: {{url: "http://127.0.0.1:9099/alerts"}}}}}}
routes: {{page: oncall, ticket: oncall}}
services:
  llm:
    engine: vllm
    version: "0.9.2"
    pages: ["{url}"]
    access: {{ca_file: {files}/ca.pem, server_name: engine.test, username: prometheus, password_file: {files}/password}}
    models: {{mine: {{objectives: [available]}}}}
"""


@pytest.mark.parametrize("named", ["its address", "its service"])
def test_a_page_of_a_fleet_is_checked_as_the_fleet_says(tmp_path, named):
    files = locked.certificates(tmp_path)
    shown = f"Basic {base64.b64encode(f'{locked.USER}:{locked.PASSWORD}'.encode()).decode()}"
    page = locked.LockedPage(VLLM.read_bytes(), expects=shown, files=files)
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(FLEET.format(url=page.url, files=files))
    try:
        found = json.loads(
            run("check", page.url if named == "its address" else "llm", "--config", str(fleet), "--json")
        )
        other = run("check", "http://127.0.0.1:1/metrics", "--config", str(fleet), code=2)
    finally:
        page.close()

    assert (found["version"], found["version_from"]) == ("0.9.2", "fleet")
    answered = [one for one in found["signals"][requests.REQUESTS.name] if one["labels"]["outcome"] == "ok"]
    assert [one["labels"]["model"] for one in answered] == ["mine"]
    assert f"has no page 'http://127.0.0.1:1/metrics' and no such service; it has llm, {page.url}" in other.replace(
        "\n", ""
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--username", "me"], "--username and --password-file belong together"),
        (["--token-file", "/t", "--username", "me", "--password-file", "/p"], "a page asks for one of the two"),
        (["--ca-file", "/ca.pem"], "is a page without TLS: a certificate is of no use there"),
        (["--token-file", "/nowhere/token"], "cannot read the token in /nowhere/token"),
    ],
)
def test_access_that_cannot_be_right_is_refused(options, said):
    assert said in run("check", "http://127.0.0.1:1/metrics", *options, code=2).replace("\n", " ")


GPUS = ROOT / "tests/data/gpus"
NEW = """\
# HELP DCGM_FI_DEV_GPU_UTIL_RATIO GPU utilization.
DCGM_FI_DEV_GPU_UTIL_RATIO{UUID="GPU-1",hostname="n"} 0.5
DCGM_FI_DEV_FB_USED_BYTES{UUID="GPU-1"} 1024
DCGM_FI_DEV_FB_CAPACITY_BYTES{UUID="GPU-1"} 4096
DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL{UUID="GPU-1"} 12.5
DCGM_FI_DEV_MEMORY_UTIL_RATIO{UUID="GPU-1"} 0.25
"""


def test_a_page_of_dcgm_exporter_is_known_by_its_old_names():
    page = GPUS / "dcgm-exporter-2023-08.prom"
    found = json.loads(run("check", str(page), "--json"))
    (energy,) = found["signals"][gpus.GPU_ENERGY.name]

    assert (found["engine"], found["version"], found["version_from"]) == ("dcgm-exporter", "<4.9", "names")
    # DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION 128996013, in mJ.
    assert (energy["value"], energy["source"]) == (128996.013, "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION")
    assert "DCGM_FI_PROF_SM_ACTIVE" in found["missing"][gpus.GPU_SM_ACTIVE.name]["flag"]
    assert found["unknown"] == []


def test_a_page_of_dcgm_exporter_is_known_by_its_new_names(tmp_path):
    (tmp_path / "page").write_text(NEW)
    found = json.loads(run("check", str(tmp_path / "page"), "--json"))

    assert (found["engine"], found["version"]) == ("dcgm-exporter", ">=4.9")
    values = {name: found["signals"][name][0]["value"] for name in found["signals"] if name != gpus.GPU_INFO.name}
    assert values == {
        gpus.GPU_UTILIZATION.name: 0.5, gpus.GPU_MEMORY_USED.name: 1024, gpus.GPU_MEMORY_TOTAL.name: 4096,
        gpus.GPU_ENERGY.name: 12.5,
    }  # fmt: skip


def test_a_page_with_names_of_both_is_of_no_known_version_and_counts_once(tmp_path):
    (tmp_path / "page").write_text(NEW + 'DCGM_FI_DEV_FB_USED{UUID="GPU-1"} 1\n')
    found = json.loads(run("check", str(tmp_path / "page"), "--json"))
    (used,) = found["signals"][gpus.GPU_MEMORY_USED.name]

    assert found["version"] is None
    assert (used["value"], used["source"]) == (1 << 20, "DCGM_FI_DEV_FB_USED")


def test_a_name_of_dcgm_that_nobody_knows_is_told(tmp_path):
    (tmp_path / "page").write_text(NEW + 'DCGM_FI_DEV_BRAND_NEW{UUID="GPU-1"} 1\n')

    assert "DCGM_FI_DEV_BRAND_NEW" in run("check", str(tmp_path / "page"), code=1)


def test_a_page_of_nvidia_gpu_exporter_is_known_and_rates_are_said_to_be_such():
    found = json.loads(run("check", str(GPUS / "nvidia_gpu_exporter-h100-load.prom"), "--json"))
    (energy,) = found["signals"][gpus.GPU_ENERGY.name]

    assert (found["engine"], found["unknown"]) == ("nvidia_gpu_exporter", [])
    assert (energy["quality"], energy["reason"]) == ("approximate", "Per second now; the sidecar adds it up.")
    assert found["signals"][gpus.GPU_POWER_LIMIT.name][0]["value"] == 700
    assert "NVML backend" in found["missing"][gpus.GPU_XID_ERRORS.name]["flag"]


def test_a_page_of_a_gpu_is_shown_to_people_with_what_would_switch_the_rest_on():
    shown = " ".join(run("check", str(GPUS / "dcgm-exporter-2023-08.prom")).split())

    assert shown.startswith("dcgm-exporter <4.9 (by the names on its page)")
    assert "Switch: add DCGM_FI_PROF_SM_ACTIVE to the counters that dcgm-exporter is started with (-f)" in shown


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
