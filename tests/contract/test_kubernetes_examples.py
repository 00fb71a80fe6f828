"""The manifests of examples/kubernetes: parsed, and held against the command line and the settings they use."""

import re
from pathlib import Path

import pytest
import typer
from ruamel.yaml import YAML

from inferometer.settings import _VARIABLES
from inferometer_compose.commands.declared import app
from inferometer_exporters.sidecar import Address

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "kubernetes"
USER = 10001
SOCKET = "/run/inferometer/sidecar.sock"
COMMAND = typer.main.get_command(app).commands["sidecar"]
OF_OTHERS = {"NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "HOST_IP"}


def documents():
    return [
        pytest.param(document, id=f"{path.stem}-{document['metadata']['name']}")
        for path in sorted(FOLDER.glob("*.yaml"))
        for document in YAML(typ="safe").load_all(path)
    ]


def containers(document):
    spec = document["spec"]["template"]["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


def sidecars(document):
    return [container for container in containers(document) if container.get("args", [None])[0] == "sidecar"]


def servers(document):
    return [container for container in containers(document) if "INFEROMETER_SIDECAR" in environment(container)]


def environment(container):
    return {
        one["name"]: one.get("value", one.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath"))
        for one in container.get("env", [])
    }


def options(container):
    """What the command line makes of the arguments; it refuses those it does not know."""
    return COMMAND.make_context("sidecar", [*container["args"][1:]]).params


def user(document, container):
    of_pod = document["spec"]["template"]["spec"].get("securityContext", {})
    return container.get("securityContext", {}).get("runAsUser", of_pod.get("runAsUser"))


def mounts(document, container):
    """Path in the container -> volume."""
    volumes = {volume["name"]: volume for volume in document["spec"]["template"]["spec"]["volumes"]}
    return {mount["mountPath"]: volumes[mount["name"]] for mount in container.get("volumeMounts", [])}


def test_both_ways_are_shown():
    found = [param.values[0] for param in documents()]

    assert sum(len(sidecars(document)) for document in found) == 2
    assert sum(len(servers(document)) for document in found) == 2


@pytest.mark.parametrize("document", documents())
def test_a_manifest_selects_its_own_pods_and_mounts_its_own_volumes(document):
    spec = document["spec"]
    labels = spec["template"]["metadata"]["labels"]

    assert document["apiVersion"] == "apps/v1"
    assert spec["selector"]["matchLabels"].items() <= labels.items()
    used = {volume["name"] for one in containers(document) for volume in mounts(document, one).values()}
    assert used == {volume["name"] for volume in spec["template"]["spec"]["volumes"]}


@pytest.mark.parametrize("document", documents())
def test_the_sidecar_understands_its_arguments_and_its_ports_are_those_that_are_asked(document):
    for container in sidecars(document):
        found = options(container)
        port = Address.parse(found["metrics"]).port
        annotations = document["spec"]["template"]["metadata"]["annotations"]

        assert str(found["socket"]) == SOCKET
        assert [one["containerPort"] for one in container["ports"] if one["name"] == "metrics"] == [port]
        assert annotations["prometheus.io/port"] == str(port)
        assert container["startupProbe"]["httpGet"] == {"path": "/healthz", "port": "metrics"}
        assert str(found["state"]) in mounts(document, container), "its state outlives it"


@pytest.mark.parametrize("document", documents())
def test_every_variable_is_one_that_somebody_reads(document):
    known = {*_VARIABLES, *OF_OTHERS}
    known |= {text for option in COMMAND.params for text in [option.envvar] if isinstance(text, str)}

    for container in containers(document):
        assert environment(container).keys() <= known


@pytest.mark.parametrize("document", documents())
def test_a_server_finds_the_socket_in_the_sidecar_s_folder_as_the_same_user(document):
    shared = (
        {"emptyDir": {}}
        if sidecars(document)
        else {"hostPath": {"path": "/run/inferometer", "type": "DirectoryOrCreate"}}
    )
    for container in servers(document):
        said = environment(container)
        assert said["INFEROMETER_SIDECAR"] == f"unix://{SOCKET}"
        assert {"INFEROMETER_ENABLED", "OTEL_SERVICE_NAME", "INFEROMETER_HOST"} <= said.keys()
        volume = mounts(document, container)[str(Path(SOCKET).parent)]
        assert shared.items() <= volume.items()
        assert user(document, container) == USER
    for container in sidecars(document):
        assert user(document, container) == USER
        assert str(Path(SOCKET).parent) in mounts(document, container)


def test_server_and_sidecar_bill_the_same_host():
    for path in FOLDER.glob("*.yaml"):
        named = {
            environment(container)["INFEROMETER_HOST"]
            for document in YAML(typ="safe").load_all(path)
            for container in [*sidecars(document), *servers(document)]
        }
        assert len(named) == 1, path


@pytest.mark.parametrize("document", documents())
def test_who_says_the_pod_is_who_knows_it(document):
    spec = document["spec"]["template"]["spec"]
    for container in sidecars(document):
        said = environment(container)
        assert said["NODE_NAME"] == "spec.nodeName"
        # A sidecar for many pods has a pod of its own, which is none of theirs.
        assert ("POD_NAME" in said) == (document["kind"] == "Deployment")
        assert bool(spec.get("hostPID")) == (document["kind"] == "DaemonSet")


def test_the_documents_name_each_manifest_and_the_variables_in_it():
    text = (ROOT / "docs" / "sidecar.md").read_text(encoding="utf-8")

    for path in FOLDER.glob("*.yaml"):
        assert f"../examples/kubernetes/{path.name}" in text
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", text))
    known = {*_VARIABLES, *(option.envvar for option in COMMAND.params if isinstance(option.envvar, str))}
    assert {name for name in named if not name.startswith("DCGM_")} <= known
