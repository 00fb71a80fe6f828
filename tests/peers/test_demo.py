"""The demo from one command to its report: with the real peers, and with nothing but Python."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from inferometer_compose import web
from inferometer_compose.stack import peers, programs
from inferometer_compose.stack.ports import Ports
from inferometer_compose.stack.process import Command, Process

pytestmark = [pytest.mark.alone, pytest.mark.peers, pytest.mark.slow]

TOOLS = Path(__file__).parents[2] / ".tools" / "bin"


def demo(folder, *arguments, tools):
    """Run the demo in a folder of its own; with the built peers in its `.tools/bin`, or with none at all."""
    environment = {**os.environ, "PATH": str(Path(sys.executable).parent) + ":/usr/bin:/bin"}
    if tools:
        (folder / ".tools").mkdir()
        (folder / ".tools" / "bin").symlink_to(TOOLS)
    command = [sys.executable, "-m", "inferometer_compose", "demo", *arguments]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finished(process, *, within):
    output, errors = process.communicate(timeout=within)
    assert process.returncode == 0, errors
    return output, errors


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """One run of half a minute with an error fault and every peer."""
    folder = tmp_path_factory.mktemp("watched")
    process = demo(folder, "--for", "40s", "--fault", "errors", "--rate", "20", "--json", tools=True)
    output, _ = finished(process, within=150)
    return json.loads(output), folder


@pytest.mark.parametrize("requirement", [programs.PROMETHEUS, programs.ALERTMANAGER, programs.JAEGER], ids=str)
def test_the_built_peers_are_recent_enough(requirement):
    found = programs.find(requirement, [TOOLS], search_path="")

    assert found.path is not None, f"{found}; build it with tools/build.sh"


def test_jaeger_starts_with_our_configuration_and_ends_at_once(tmp_path):
    ports = Ports()
    at = peers.JaegerPorts(*(ports.take(0, "Jaeger") for _ in range(5)))
    config = tmp_path / "jaeger.yaml"
    config.write_text(peers.jaeger_config(at))
    jaeger = Process(peers.jaeger(TOOLS / "jaeger", config), tmp_path)

    jaeger.wait_until(lambda: web.answers(f"http://127.0.0.1:{at.ui}/api/services"), within_seconds=20)
    began = time.monotonic()
    jaeger.end(within_seconds=10)

    assert time.monotonic() - began < 5


@pytest.mark.timeout(200)
def test_every_request_that_was_sent_is_recorded(watched):
    answer, _ = watched

    assert answer["requests"] == answer["load"]["sent"] > 500


@pytest.mark.timeout(200)
def test_the_alert_fires_arrives_and_resolves(watched):
    answer, _ = watched
    # On a busy machine an objective of latency may page, too, and before the fault.
    pages = [one for one in answer["alerts"] if one["severity"] == "page" and one["slo"].endswith("-available")]

    assert pages
    first = pages[0]
    assert 8 < first["fired_at"] <= first["received_at"] < 25
    assert first["resolved_at"] > 20


@pytest.mark.timeout(200)
def test_every_model_has_percentiles_stages_and_a_price(watched):
    answer, _ = watched

    assert set(answer["models"]) == {"/search", "/files", "/listen", "minilm@v1", "minilm@v2", "magika", "vad"}
    for name in ("minilm@v1", "minilm@v2", "magika", "vad"):
        model = answer["models"][name]
        assert 0 < model["p50_seconds"] <= model["p95_seconds"] <= model["p99_seconds"] <= model["p999_seconds"]
        assert model["stages"]["execute"] > 0
        assert model["cost_usd_per_1k"] > 0


@pytest.mark.timeout(200)
def test_the_ledger_adds_up(watched):
    answer, _ = watched

    assert answer["devices"]
    for device in answer["devices"].values():
        assert device["residual_ratio"] == pytest.approx(0, abs=1e-9)
        assert device["ledger"]["attributed"] > 0


@pytest.mark.timeout(200)
def test_the_run_leaves_nothing_behind_and_its_trace_can_be_drawn(watched):
    answer, folder = watched

    left = [one for one in psutil.process_iter(["cwd", "pid"]) if str(folder) in str(one.info["cwd"])]
    assert left == []
    command = [sys.executable, "-m", "inferometer_compose", "trace", answer["trace_example"]]
    drawn = subprocess.run(command, cwd=folder, capture_output=True, check=False, text=True, timeout=60)
    assert drawn.returncode == 0, drawn.stderr
    assert answer["trace_example"] in drawn.stdout
    assert "█" in drawn.stdout


@pytest.mark.timeout(200)
def test_a_trace_of_the_last_demo_is_found_although_another_sidecar_answers(watched, tmp_path):
    answer, folder = watched
    api = f"127.0.0.1:{Ports().take(0, 'the API')}"
    command = [
        sys.executable, "-m", "inferometer_compose", "sidecar", "--socket", str(tmp_path / "s"),
        "--state", str(tmp_path), "--metrics", f"127.0.0.1:{Ports().take(0, 'metrics')}", "--api", api,
    ]  # fmt: skip
    other = Process(Command("other", command, {}), tmp_path)
    try:
        other.wait_until(lambda: web.answers(f"http://{api}/healthz"), within_seconds=30)
        ask = [sys.executable, "-m", "inferometer_compose", "trace", answer["trace_example"], "--api", f"http://{api}"]
        drawn = subprocess.run(ask, cwd=folder, capture_output=True, check=False, text=True, timeout=60)
    finally:
        other.end(within_seconds=10)

    assert drawn.returncode == 0, drawn.stderr
    assert answer["trace_example"] in drawn.stdout


@pytest.mark.timeout(150)
def test_nothing_but_python_is_needed(tmp_path):
    output, _ = finished(demo(tmp_path, "--for", "10s", "--fault", "errors", "--rate", "20", tools=False), within=120)

    assert "Prometheus \N{EN DASH} (not found)" in output
    assert "alerts not evaluated: no Prometheus" in output
    for question in ("Where the time goes", "Inside the objective?", "What it costs", "The slowest request"):
        assert question in output


@pytest.mark.timeout(120)
def test_ctrl_c_ends_everything(tmp_path):
    process = demo(tmp_path, "--for", "60s", "--rate", "5", tools=False)
    children = []
    deadline = time.monotonic() + 60
    while len(children) < 6:
        assert time.monotonic() < deadline
        children = psutil.Process(process.pid).children(recursive=True)
        time.sleep(0.2)

    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)

    assert process.returncode == 130
    assert "Traceback" not in errors
    assert psutil.wait_procs(children, timeout=5)[1] == []
