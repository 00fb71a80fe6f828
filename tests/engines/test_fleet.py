"""Foreign engines in fleet.yaml, and what is generated for them."""

import json

import pytest
from ruamel.yaml import YAML

from inferometer.catalog import requests
from inferometer.errors import FleetError
from inferometer.fleet import summary, thresholds, thresholds_file
from inferometer.fleet.loader import loads
from inferometer.fleet.page_access import PageAccess
from inferometer.fleet.thresholds import EnginePages
from inferometer_alerts import engine_scraping
from inferometer_alerts.engine_rules import Job, rules
from inferometer_alerts.generation import files
from inferometer_alerts.time_scale import TimeScale
from inferometer_exporters.engines.fleet import of_fleet

HEAD = """\
version: 1
fleet: engines
objectives:
  available: {sli: availability, target: 99, window: 30d}
  quick: {sli: latency, threshold: 250ms, target: 99, window: 30d}
receivers:
  oncall: {webhook: {url: "http://127.0.0.1:9099/alerts"}}
routes: {page: oncall, ticket: oncall}
services:
"""
LLM = """\
  llm:
    engine: vllm
    version: "0.32"
    pages: ["http://10.0.0.7:8000/metrics", "https://[::1]/m"]
    models: {llama: {objectives: [available]}}
"""


def with_access(access: str, page: str = "http://a") -> str:
    return f"  llm:\n    engine: vllm\n    pages: [{page}]\n    access: {access}\n    models: {{m: {{}}}}\n"


def test_pages_of_the_sidecar_are_in_thresholds_json_and_come_back():
    told = summary.thresholds(loads(HEAD + LLM))

    assert told.engines == (
        EnginePages(
            service="llm", engine="vllm", pages=("http://10.0.0.7:8000/metrics", "https://[::1]/m"),
            version="0.32", model="llama",
        ),
    )  # fmt: skip
    assert thresholds_file.loads(thresholds_file.dumps(told)).engines == told.engines


def test_the_devices_of_each_page_are_in_thresholds_json_and_one_entry_is_of_all_pages():
    each = summary.thresholds(loads(HEAD + LLM + '    devices: ["GPU-1,GPU-2", "GPU-3"]\n'))
    one = summary.thresholds(loads(HEAD + LLM + "    devices: [GPU-1]\n"))

    assert [each.engines[0].device_of(number) for number in (0, 1)] == ["GPU-1,GPU-2", "GPU-3"]
    assert [one.engines[0].device_of(number) for number in (0, 1)] == ["GPU-1", "GPU-1"]
    assert thresholds_file.loads(thresholds_file.dumps(each)).engines == each.engines
    assert [page.devices for page in of_fleet(each.engines)] == ["GPU-1,GPU-2", "GPU-3"]


def test_devices_that_are_neither_one_nor_one_per_page_are_refused():
    with pytest.raises(FleetError, match="has 3 entries for 2 pages"):
        loads(HEAD + LLM + "    devices: [GPU-1, GPU-2, GPU-3]\n")


def test_thresholds_of_before_there_were_engines_are_read():
    document = json.loads(thresholds_file.dumps(thresholds.NOTHING))
    del document["engines"]

    assert thresholds_file.loads(json.dumps(document)).engines == ()


def test_a_service_of_several_models_gives_none_to_what_does_not_say_its_own():
    fleet = loads(HEAD + LLM.replace("{llama: {objectives: [available]}}", "{a: {}, b: {}}"))

    assert summary.thresholds(fleet).engines[0].model == ""


@pytest.mark.parametrize(
    ("services", "said"),
    [
        (
            "  web:\n    engine: fastapi\n    pages: [http://a]\n    models: {m: {}}\n",
            "is for foreign engines, fastapi",
        ),
        ("  web:\n    engine: asgi\n    version: '1'\n    models: {m: {}}\n", "services.web.version is for foreign"),
        (LLM + LLM.replace("llm:", "other:"), "http://10.0.0.7:8000/metrics is a page of llm, too"),
        (LLM.replace('"0.32"', "0.32"), "must be a version, found a number"),
        (LLM.replace('"0.32"', "latest"), "'latest' is no version"),
        (LLM.replace("vllm", "vlm"), "did you mean 'vllm'?"),
        (LLM.replace("[available]", "[quick]"), "cannot be read from vllm: its buckets are … 300ms …"),
        (LLM.replace("{llama: {", "{other: {}, llama: {"), "its page tells it of all models together"),
        (LLM.replace("models:", "scraped_by: nobody\n    models:"), "is no reader of pages"),
        (LLM.replace("models:", "buckets: {inference_x: [1]}\n    models:"), "'inference_x' is no signal"),
        (
            "  web:\n    engine: asgi\n    access: {token_file: /t}\n    models: {m: {}}\n",
            "services.web.access is for foreign engines",
        ),
        (with_access("{token_file: /t, username: u, password_file: /p}"), "services.llm.access has a token and a user"),
        (with_access("{username: u}"), "services.llm.access.username is of no use without password_file"),
        (with_access("{password_file: /p}"), "password_file is of no use without username"),
        (
            with_access("{key_file: /k}", page="https://a"),
            "services.llm.access.key_file is of no use without cert_file",
        ),
        (with_access("{ca_file: /ca}"), "access.ca_file is for pages over TLS, and http://a is not"),
        (with_access("{server_name: x.test}"), "access.server_name is for pages over TLS"),
        (with_access("{token_file: secret}"), "'secret' is no absolute path"),
        (with_access("{}"), "services.llm.access says nothing"),
        (with_access("{token: abc}"), "did you mean 'token_file'?"),
        (with_access("{username: 'a:b', password_file: /p}"), "'a:b' is no user name"),
        (with_access("{server_name: 'https://x', ca_file: /ca}", page="https://a"), "is no name of a host"),
    ],
)
def test_what_cannot_be_right_of_an_engine_is_refused_at_its_place(services, said):
    with pytest.raises(FleetError, match=r"fleet\.yaml:\d+:\d+: ") as found:
        loads(HEAD + services)

    assert said in str(found.value)


def test_buckets_that_the_engine_was_started_with_carry_an_objective():
    own = "buckets: {inference_request_duration_seconds: [0.1, 0.25, 1]}\n    models:"

    fleet = loads(HEAD + LLM.replace("[available]", "[quick]").replace("models:", own))

    assert fleet.services[0].models[0].objectives == ("quick",)


def test_prometheus_scrapes_only_what_the_fleet_gives_it():
    sidecar = loads(HEAD + LLM)
    itself = loads(HEAD + LLM.replace("models:", "scraped_by: prometheus\n    models:"))

    assert engine_scraping.document(sidecar, TimeScale(1)) is None
    assert summary.thresholds(itself).engines == ()
    written = files(itself)
    # The sidecar need not count what spans tell of them, too; a file of before says nothing of it.
    assert thresholds_file.loads(written["thresholds.json"].decode()).read_elsewhere == ("llm",)
    assert thresholds_file.loads(files(sidecar)["thresholds.json"].decode()).read_elsewhere == ()
    assert json.loads(written["prometheus/targets/engine-vllm-0.32.json"]) == [
        {"targets": ["10.0.0.7:8000"], "labels": {
            "service": "llm", "__scheme__": "http", "__metrics_path__": "/metrics", "inferometer_model": "llama"}},
        {"targets": ["[::1]:443"], "labels": {
            "service": "llm", "__scheme__": "https", "__metrics_path__": "/m", "inferometer_model": "llama"}},
    ]  # fmt: skip
    assert b"- job_name: engine-vllm-0.32" in written["prometheus/prometheus.yml"]
    assert "prometheus/rules/engine-series.yml" in written


@pytest.mark.parametrize(("scale", "seconds"), [(1, 15), (5, 3), (60, 1)])
def test_a_time_scale_makes_the_sidecar_read_pages_more_often(scale, seconds):
    told = thresholds_file.loads(files(loads(HEAD + LLM), time_scale=scale)["thresholds.json"].decode())

    assert told.engines_every_ns == seconds * 10**9


ACCESS = PageAccess(token_file="/run/secrets/llm", ca_file="/etc/llm/ca.pem", server_name="llm.test")
LOCKED = "{token_file: /run/secrets/llm, ca_file: /etc/llm/ca.pem, server_name: llm.test}"


def test_access_of_pages_is_in_thresholds_json_and_comes_back():
    told = summary.thresholds(loads(HEAD + with_access(LOCKED, page="https://a")))

    assert told.engines[0].access == ACCESS
    assert thresholds_file.loads(thresholds_file.dumps(told)).engines == told.engines
    assert json.loads(thresholds_file.dumps(told))["engines"][0]["access"] == {
        "token_file": "/run/secrets/llm", "ca_file": "/etc/llm/ca.pem", "server_name": "llm.test",
    }  # fmt: skip


def test_who_asks_for_nothing_has_no_access_in_thresholds_json():
    assert "access" not in json.loads(thresholds_file.dumps(summary.thresholds(loads(HEAD + LLM))))["engines"][0]


def test_a_password_in_an_address_is_refused_and_its_line_not_shown():
    with pytest.raises(FleetError) as found:
        loads(HEAD + LLM.replace("http://10.0.0.7:8000", "http://me:hunter2@10.0.0.7:8000"))

    assert "an address with a user before @" in str(found.value)
    assert "write access: {username: …, password_file: …}" in str(found.value)
    assert "hunter2" not in str(found.value)


def jobs_of(fleet) -> dict[str, dict]:
    document = YAML(typ="safe").load(files(fleet)["prometheus/prometheus.yml"])
    return {job["job_name"]: job for job in document["scrape_configs"]}


def test_prometheus_is_let_in_by_jobs_of_one_access_each():
    def service(name: str, host: str, access: str = "") -> str:
        more = f"    access: {access}\n" if access else ""
        promised = "" if access else "objectives: [available]"
        return (
            f'  {name}:\n    engine: vllm\n    version: "0.32"\n    scraped_by: prometheus\n'
            f"    kubernetes: {{deployment: of-{host}}}\n    pages: [https://{host}]\n{more}"
            f"    models: {{m: {{{promised}}}}}\n"
        )

    basic = "{username: me, password_file: /p}"
    fleet = loads(
        HEAD + service("open", "v") + service("a b", "w", LOCKED) + service("a-b", "x", basic)
        + service("c", "y", "{cert_file: /both.pem}") + service("d", "z", basic)
    )  # fmt: skip
    jobs = jobs_of(fleet)
    lists = {name: [one["labels"]["service"] for one in json.loads(files(fleet)[f"prometheus/targets/{name}.json"])]
             for name in jobs if name.startswith("engine-")}  # fmt: skip

    assert lists == {
        "engine-vllm-0.32": ["open"], "engine-vllm-0.32-a-b": ["a b"],
        "engine-vllm-0.32-a-b-2": ["a-b", "d"], "engine-vllm-0.32-c": ["c"],
    }  # fmt: skip
    assert not {"authorization", "basic_auth", "tls_config"} & jobs["engine-vllm-0.32"].keys()
    assert jobs["engine-vllm-0.32-a-b"]["authorization"] == {"type": "Bearer", "credentials_file": "/run/secrets/llm"}
    assert jobs["engine-vllm-0.32-a-b"]["tls_config"] == {"ca_file": "/etc/llm/ca.pem", "server_name": "llm.test"}
    assert jobs["engine-vllm-0.32-a-b-2"]["basic_auth"] == {"username": "me", "password_file": "/p"}
    assert jobs["engine-vllm-0.32-c"]["tls_config"] == {"cert_file": "/both.pem", "key_file": "/both.pem"}


def test_what_sidecars_ask_for_prometheus_shows_to_them_alone():
    jobs = jobs_of(loads(f"sidecar: {{token_file: /run/secrets/t, ca_file: /ca.pem}}\n{HEAD}{LLM}"))
    without_tls = jobs_of(loads(f"sidecar: {{token_file: /run/secrets/t}}\n{HEAD}{LLM}"))

    assert jobs["inferometer"]["scheme"] == "https"
    assert jobs["inferometer"]["authorization"] == {"type": "Bearer", "credentials_file": "/run/secrets/t"}
    assert jobs["inferometer"]["tls_config"] == {"ca_file": "/ca.pem"}
    assert "scheme" not in without_tls["inferometer"]
    assert without_tls["inferometer"]["authorization"] == jobs["inferometer"]["authorization"]
    assert not any("authorization" in job for name, job in jobs.items() if name != "inferometer")


def test_a_user_is_nothing_to_a_sidecar():
    with pytest.raises(FleetError, match="sidecars know no users"):
        loads(f"sidecar: {{username: me, password_file: /p}}\n{HEAD}{LLM}")


def test_rules_of_a_version_read_what_that_version_tells():
    old, new = (json.dumps(rules(Job(name="j", engine="vllm", version=version))) for version in ("0.9.2", "0.32"))

    assert "vllm:gpu_cache_usage_perc" in old
    assert "vllm:gpu_cache_usage_perc" not in new
    assert "vllm:request_time_per_output_token_seconds" in new
    assert "vllm:request_time_per_output_token_seconds" not in old


def test_boundaries_in_milliseconds_become_seconds_one_rule_each():
    found = [
        rule
        for rule in rules(Job(name="j", engine="ray-serve"))
        # Engines that its pages may carry have other boundaries: theirs are as the page writes them.
        if rule["record"] == f"{requests.REQUEST_DURATION.name}_bucket" and "labels" in rule
    ]

    bounds = [rule["labels"]["le"] for rule in found]
    assert bounds[:3] == ["0.001", "0.002", "0.005"]
    assert bounds[-1] == "+Inf"
    assert 'le=~"5\\\\.0|5"' in found[2]["expr"] or 'le=~"5|5\\\\.0"' in found[2]["expr"]


def test_spans_that_name_no_model_are_of_the_engine_s_only_one():
    told = summary.thresholds(loads(HEAD + LLM))

    assert told.only_model("llm") == told.engines[0].model != ""
    assert told.only_model("nobody") == ""
