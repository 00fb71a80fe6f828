"""What Prometheus makes of the PodMonitors: its own engine relabels targets as the operator would tell it to."""

import json
import subprocess
from pathlib import Path

import pytest
from fleets_in_kubernetes import EVERYTHING

from inferometer_alerts.engine_selectors import SAID_MODEL
from inferometer_alerts.yaml_text import dump

pytestmark = [pytest.mark.peers]

PROMTOOL = Path(__file__).parents[2] / ".tools/bin/promtool"
SNAKE = {"sourceLabels": "source_labels", "targetLabel": "target_label"}
# What the operator's own relabelling has made of a pod before ours is applied.
FOUND = {
    "namespace": "models",
    "pod": "embedder-blue-7d9f-x2",
    "container": "inferometer",
    "endpoint": "metrics",
    "job": "models/inferometer",
    "__meta_kubernetes_pod_name": "embedder-blue-7d9f-x2",
}


def labels(tmp_path, endpoint):
    """Labels of a target after relabelling; promtool says what the server would do."""
    assert PROMTOOL.is_file(), "promtool is missing; run `make tools`"
    (tmp_path / "targets.json").write_text(json.dumps([{"targets": ["10.0.0.7:9464"], "labels": FOUND}]))
    rules = [{SNAKE.get(key, key): value for key, value in rule.items()} for rule in endpoint["relabelings"]]
    job = {"job_name": "pods", "file_sd_configs": [{"files": ["targets.json"]}], "relabel_configs": rules}
    (tmp_path / "prometheus.yml").write_bytes(dump({"scrape_configs": [job]}))
    command = [PROMTOOL, "check", "service-discovery", "--timeout=2s", tmp_path / "prometheus.yml", "pods"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    (target,) = json.loads(done.stdout)
    return {name: value for name, value in target["labels"].items() if not name.startswith("__")}


def test_a_sidecar_has_the_job_that_rules_ask_for_and_its_pod_as_instance(tmp_path, made):
    (endpoint,) = made(EVERYTHING)["base/pod-monitor.yaml"]["spec"]["podMetricsEndpoints"]

    assert labels(tmp_path, endpoint) == {"job": "inferometer", "instance": "embedder-blue-7d9f-x2"}


def test_an_engine_has_the_job_of_its_rules_and_says_its_service(tmp_path, made):
    (endpoint,) = made(EVERYTHING)["components/triton/engine-monitor.yaml"]["spec"]["podMetricsEndpoints"]

    found = labels(tmp_path, endpoint)
    assert found.keys() <= {"job", "instance", "service", SAID_MODEL}
    assert (found["job"], found["service"], found["instance"]) == ("engine-triton", "triton", "embedder-blue-7d9f-x2")
