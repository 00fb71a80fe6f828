"""Kustomize puts the user's Deployments and our components together."""

import shutil
import subprocess
from pathlib import Path

import pytest
from fleets_in_kubernetes import read_all

from inferometer.fleet.loader import loads
from inferometer_compose.kubernetes import manifests

pytestmark = [pytest.mark.peers]

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".tools/bin/kustomize"
FLEET = (ROOT / "examples/kubernetes/fleet.yaml").read_text()


def build(folder: Path) -> list[dict]:
    assert PROGRAM.is_file(), "kustomize is missing; run `make tools`"
    built = subprocess.run([PROGRAM, "build", folder], check=False, capture_output=True, text=True, timeout=60)
    assert built.returncode == 0, built.stderr
    return list(read_all(built.stdout))


def copied(tmp_path: Path, fleet: str = FLEET) -> Path:
    folder = tmp_path / "example"
    shutil.copytree(ROOT / "examples/kubernetes", folder, ignore=shutil.ignore_patterns("generated"))
    for name, content in manifests.files(loads(fleet)).items():
        path = folder / "generated" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def one(objects, kind, name):
    return next(found for found in objects if found["kind"] == kind and found["metadata"]["name"] == name)


@pytest.fixture(scope="module")
def objects():
    return build(ROOT / "examples/kubernetes")


def test_the_server_stays_as_it_was_and_the_sidecar_stands_before_it(objects):
    pod = one(objects, "Deployment", "embedder")["spec"]["template"]["spec"]
    (server,) = pod["containers"]
    (sidecar,) = pod["initContainers"]

    assert server["image"] == "registry.example/embedder:1.0.0"
    assert server["ports"] == [{"name": "http", "containerPort": 8000}]
    assert server["resources"] == {"limits": {"memory": "1Gi"}}
    assert sidecar["restartPolicy"] == "Always"
    assert {"name": "OTEL_SERVICE_NAME", "value": "embedder"} in server["env"]


def test_what_the_user_declares_stays(tmp_path):
    folder = copied(tmp_path)
    path = folder / "apps/embedder.yaml"
    path.write_text(
        path.read_text().replace(
            "      containers:\n",
            "      initContainers:\n        - {name: download, image: registry.example/download:1}\n"
            "      volumes:\n        - {name: weights, emptyDir: {}}\n      containers:\n",
        )
    )

    pod = one(build(folder), "Deployment", "embedder")["spec"]["template"]["spec"]

    assert [container["name"] for container in pod["initContainers"]] == ["inferometer", "download"]
    assert "weights" in {volume["name"] for volume in pod["volumes"]}


def test_a_deployment_without_a_namespace_finds_its_settings_too(tmp_path):
    folder = copied(tmp_path)
    path = folder / "apps/embedder.yaml"
    path.write_text(path.read_text().replace("  namespace: inference\n", ""))

    objects = build(folder)
    volumes = one(objects, "Deployment", "embedder")["spec"]["template"]["spec"]["volumes"]
    name = next(volume["configMap"]["name"] for volume in volumes if volume["name"] == "inferometer-settings")
    assert "thresholds.json" in one(objects, "ConfigMap", name)["data"]


def test_autoscalers_scale_the_deployments_that_are_there(objects):
    names = {found["metadata"]["name"] for found in objects if found["kind"] == "Deployment"}
    scaled = {found["spec"]["scaleTargetRef"]["name"] for found in objects if found["kind"] == "ScaledObject"}

    assert scaled == names == {"gateway", "embedder", "llm"}


def test_selectors_still_select(objects):
    for found in objects:
        if found["kind"] in {"Deployment", "DaemonSet"}:
            labels = found["spec"]["template"]["metadata"]["labels"]
            assert found["spec"]["selector"]["matchLabels"].items() <= labels.items()
            assert {"app"} <= labels.keys()


def test_everything_is_in_the_namespace_of_the_fleet_but_prometheus_stays_in_its_own(objects):
    assert {found["metadata"]["namespace"] for found in objects} == {"inference"}
    subjects = one(objects, "RoleBinding", "inferometer-scrape")["subjects"]
    assert subjects[0]["namespace"] == "monitoring"


def test_a_service_without_its_component_is_left_alone(tmp_path):
    folder = copied(tmp_path)
    path = folder / "kustomization.yaml"
    path.write_text(path.read_text().replace("  - generated/components/gateway\n", ""))

    pod = one(build(folder), "Deployment", "gateway")["spec"]["template"]["spec"]
    assert "initContainers" not in pod
