"""The DaemonSet's form for real: one sidecar, two pods that mount its folder, with what the generated manifests say.

Processes stand for containers: each has the variables of its manifest, with the fields of its pod filled in as the
kubelet does, and the folders of volumes that the manifests share are one folder here.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

import pytest
from fleets_in_kubernetes import ROOT

from inferometer.catalog import devices, requests, telemetry

pytestmark = [pytest.mark.processes, pytest.mark.slow]

FLEET = """\
version: 1
fleet: node
kubernetes: {image: "registry.example/inferometer:1"}
services:
  ranker:
    engine: fastapi
    kubernetes: {sidecar: node}
    models: {"/predict/{number}": {objectives: [available]}}
objectives: {available: {sli: availability, target: 99, window: 30d}}
devices:
  - match: {kind: cpu}
    price: {usd_per_hour: 0.20, kind: on_demand, source: list, as_of: 2026-10-01}
receivers: {r: {webhook: {url: "http://127.0.0.1:1/"}}}
routes: {page: r, ticket: r}
"""
NODE = {"spec.nodeName": "node-7"}
APPLICATION = ROOT / "tests/faults"


def container(objects, path, name):
    """One container of a manifest, and the settings that its ConfigMap mounts."""
    (found,) = (one for one in objects[path]["spec"]["template"]["spec"]["containers"] if one["name"] == name)
    return found


def environment(manifest, fields, folders):
    """The variables of a container, as the kubelet sets them."""
    told = {}
    for one in manifest.get("env", []):
        told[one["name"]] = one["value"] if "value" in one else fields[one["valueFrom"]["fieldRef"]["fieldPath"]]
    return {**os.environ, **{name: here(value, folders) for name, value in told.items()}}


def here(text, folders):
    for inside, outside in folders.items():
        text = text.replace(inside, str(outside))
    return text


class Node:
    """The folders of a node, the sidecar of its DaemonSet, and pods of a service."""

    def __init__(self, objects, folder):
        self._objects = objects
        self._folders = {
            "/run/inferometer": folder / "run",
            "/var/lib/inferometer": folder / "state",
            "/etc/inferometer": folder / "settings",
        }
        for path in self._folders.values():
            path.mkdir()
        settings = next(
            one["data"]["thresholds.json"]
            for name, one in objects.items()
            if name.startswith("node/") and one["kind"] == "ConfigMap"
        )
        (folder / "settings/thresholds.json").write_text(settings)
        self._folder = folder
        self.processes = []
        self.metrics = self.api = ""

    def start_sidecar(self):
        """As the DaemonSet has it, but for the ports, which are free ones, and the trace store, which is nowhere."""
        manifest = container(self._objects, "node/daemon-set.yaml", "inferometer")
        arguments = [here(one, self._folders) for one in manifest["args"]]
        changed = {"--metrics": "127.0.0.1:0", "--api": "127.0.0.1:0", "--gpu": "off", "--otlp-grpc": "off",
                   "--otlp-http": "off"}  # fmt: skip
        kept = [one for one in arguments if one.partition("=")[0] not in {*changed, "--otlp"}]
        command = [
            sys.executable,
            "-m",
            "inferometer_compose",
            *kept,
            *(f"{key}={text}" for key, text in changed.items()),
        ]
        with (self._folder / "sidecar.log").open("a") as log:
            process = subprocess.Popen(
                command, env=environment(manifest, NODE, self._folders), stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.processes.append(process)
        for line in process.stdout:
            name, _, value = line.strip().partition(" ")
            if name == "metrics":
                self.metrics = value
            if name == "api":
                self.api = value
                return process
        raise AssertionError((self._folder / "sidecar.log").read_text())

    def start_pod(self, name):
        """A pod of the Deployment, which the patch has given the folder; its port."""
        manifest = container(self._objects, "components/ranker/patch.yaml", "server")
        fields = NODE | {"metadata.name": name, "metadata.namespace": "shop", "metadata.uid": f"uid-of-{name}"}
        command = [sys.executable, "-m", "uvicorn", "--app-dir", str(APPLICATION), "--port", "0", "load_app:app"]
        process = subprocess.Popen(
            command, env=environment(manifest, fields, self._folders), stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.processes.append(process)
        for line in process.stderr:
            if "running on http://" in line:
                return int(line.rsplit(":", 1)[1].split()[0])
        raise AssertionError(f"{name} did not start")

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait(30)
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


@pytest.fixture
def node(made, tmp_path):
    one = Node(made(FLEET), tmp_path)
    yield one
    one.close()


def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.05)


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def ask(port, times):
    for number in range(times):
        assert json.loads(get(f"http://127.0.0.1:{port}/predict/{number}")) == {"square": number**2}


def values(page, name):
    """Labels and value of each series of a name."""
    return {
        line.split(" ")[0].removeprefix(name): float(line.rsplit(" ", 1)[1])
        for line in page.splitlines()
        if line.startswith(f"{name}{{")
    }


def label(series, name):
    return re.search(rf'[{{,]{name}="([^"]*)"', series)[1]


def test_one_sidecar_of_a_node_knows_two_pods_apart_and_finds_them_again_when_it_was_killed(node):
    sidecar = node.start_sidecar()
    pods = {name: node.start_pod(name) for name in ("ranker-0", "ranker-1")}
    for port, times in zip(pods.values(), (30, 20), strict=True):
        ask(port, times)

    def told():
        series = values(get(node.metrics), telemetry.WORKER_INFO.name)
        return {tuple(label(key, name) for name in ("pod", "namespace", "node", "container")) for key in series}

    def answered():
        found = values(get(node.metrics), requests.REQUESTS.name)
        return sum(value for key, value in found.items() if 'outcome="ok"' in key)

    until(lambda: answered() == 50)
    assert told() == {(name, "shop", "node-7", "server") for name in pods}
    # The node is billed once, whatever its pods are called.
    states = values(get(node.metrics), devices.LEDGER.name)
    assert {label(key, "device") for key in states} == {"node-7"}

    # A new pod of the DaemonSet makes the socket anew, in the folder that all have mounted.
    sidecar.send_signal(signal.SIGKILL)
    sidecar.wait(30)
    for port in pods.values():
        ask(port, 10)
    node.start_sidecar()

    until(lambda: answered() == 70, 30)
    assert told() == {(name, "shop", "node-7", "server") for name in pods}
