"""What Kubernetes and its operators say to the manifests, by their own schemas; and that the schemas can say no."""

import json
import subprocess
from pathlib import Path

import pytest
from fleets_in_kubernetes import EVERYTHING, read_all

from inferometer.fleet.loader import loads
from inferometer_alerts import scaled_objects

pytestmark = [pytest.mark.peers]

ROOT = Path(__file__).parents[2]
BIN = ROOT / ".tools/bin"
SCHEMAS = ROOT / ".tools/schemas"
VERSIONS = json.loads((ROOT / "tools/versions.json").read_text())["schemas"]["kubernetes"]["versions"]


def run(program: str, *arguments: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    path = BIN / program
    assert path.is_file(), f"{program} is missing; run `make tools`"
    return subprocess.run([path, *arguments], check=False, capture_output=True, text=True, timeout=60, input=given)


def conform(text: str, version: str) -> subprocess.CompletedProcess[str]:
    """kubeconform on manifests; strict, so that a key that nobody knows is an error."""
    assert (SCHEMAS / version).is_dir(), "no schemas; run `make tools`"
    where = f"{SCHEMAS}/{version}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"
    return run("kubeconform", "-strict", "-summary", "-schema-location", where, given=text)


def manifests(folder: Path) -> str:
    """Every manifest of a folder but Kustomize's own files, and the patches, which are no whole objects."""
    files = [path for path in sorted(folder.rglob("*.yaml")) if path.name not in {"kustomization.yaml", "patch.yaml"}]
    return "---\n".join(path.read_text() for path in files)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid(written, version):
    checked = conform(manifests(written), version)

    assert checked.returncode == 0, checked.stdout[-3000:]
    assert "Invalid: 0, Errors: 0, Skipped: 0" in checked.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_the_example_is_valid_with_everything_that_is_added_to_it(version):
    built = run("kustomize", "build", ROOT / "examples/kubernetes")
    assert built.returncode == 0, built.stderr

    checked = conform(built.stdout, version)
    assert checked.returncode == 0, checked.stdout[-3000:]


# Kind, where in it, what is wrong, and what must be said of it.
WRONG = {
    "PrometheusRule": ("spec/groups/0/rules/0/exprr", "up", "additional properties 'exprr' not allowed"),
    "PodMonitor": ("spec/podMetricsEndpoints/0/interval", "15", "does not match pattern"),
    "AlertmanagerConfig": ("spec/route/groupBye", ["a"], "additional properties 'groupBye' not allowed"),
    "ScaledObject": ("spec/fallback/behavior", "panic", "value must be one of"),
    "DaemonSet": ("spec/template/spec/containers/0/livenessProbe/httpGett", {}, "additional properties 'httpGett'"),
    "ConfigMap": ("data/number", 1, "got number, want string"),
    "NetworkPolicy": ("spec/ingress/0/ports/0/protocoll", "TCP", "additional properties 'protocoll' not allowed"),
    "Role": ("rules/0/verbs", "get", "got string, want array"),
    "RoleBinding": ("roleRef/kind", None, "missing property 'kind'"),
    "ServiceAccount": ("automountServiceAccountToken", "no", "got string, want boolean"),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_manifest_is_refused(kind, version):
    documents = read_all(manifests(ROOT / "examples/kubernetes/generated"))
    document = next(found for found in documents if found["kind"] == kind)
    before = conform(json.dumps(document), version)
    assert before.returncode == 0, before.stdout
    path, value, said = WRONG[kind]
    *way, last = path.split("/")
    inside = document
    for step in way:
        inside = inside[int(step)] if isinstance(inside, list) else inside[step]
    if value is None:
        del inside[last]
    else:
        inside[last] = value

    after = conform(json.dumps(document), version)

    assert after.returncode == 1
    assert said in after.stdout


def test_a_kind_without_a_schema_is_refused():
    checked = conform('{"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "a"}}', VERSIONS[0])

    assert checked.returncode == 1
    assert "could not find schema for Thing" in checked.stdout


def test_a_plain_autoscaler_is_checked_too():
    (found,) = _autoscalers("embedder")
    assert conform(json.dumps(found), VERSIONS[-1]).returncode == 0

    found["spec"]["metrics"][0]["external"]["target"]["valu"] = "1"
    assert "additional properties 'valu' not allowed" in conform(json.dumps(found), VERSIONS[-1]).stdout


def _autoscalers(service: str) -> list[dict]:
    return list(scaled_objects.objects(loads(EVERYTHING), service))
