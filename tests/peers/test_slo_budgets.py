"""`inferometer slo status` and `slo gate` against a real Prometheus that evaluates the generated rules."""

import json
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import uvicorn
from free_ports import free_port
from typer.testing import CliRunner

from inferometer.aggregate import Aggregator, Exposition, PageServer
from inferometer.catalog.requests import SLO_EVENTS
from inferometer.fleet.loader import loads
from inferometer.fleet.summary import thresholds
from inferometer.fleet.thresholds import Thresholds
from inferometer_alerts.addresses import Addresses
from inferometer_alerts.generation import files
from inferometer_compose import slo_source
from inferometer_compose.commands import declared_slo
from inferometer_compose.commands.declared import app
from inferometer_compose.slo_prometheus import budgets
from inferometer_compose.web import AnswerError
from inferometer_exporters.api import Api
from inferometer_exporters.recorder.store import Recorder

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(120)]

PROMETHEUS = Path(__file__).parents[2] / ".tools/bin/prometheus"
FLEET = """
version: 1
fleet: budgets
services:
  embedder: {engine: fastapi, models: {minilm: {objectives: [available, quick]}}}
  classifier: {engine: fastapi, models: {magika: {objectives: [available]}}}
objectives:
  available: {sli: availability, target: 99, window: 30d}
  quick: {sli: latency, threshold: 250ms, target: 95, window: 28d}
receivers: {oncall: {webhook: {url: "http://127.0.0.1:9/"}}}
routes: {page: oncall, ticket: oncall}
policy: [{below: 50, do: slow-rollout}, {below: 0, do: freeze}]
"""


def settled(base):
    """Whether both SLOs with traffic have a budget, and the one that is overdrawn has its slowest alert."""
    try:
        found = {one.slo: one for one in budgets(base)}
    except AnswerError:
        return False
    fine, overdrawn = found.get("embedder-minilm-quick"), found.get("embedder-minilm-available")
    return bool(fine and overdrawn and fine.gone_in_seconds and "long" in overdrawn.firing)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """A Prometheus with rules of time scale 60, and a page on which 4 % of embedder's requests are bad, mostly v2's."""
    if not PROMETHEUS.exists():
        pytest.fail(f"{PROMETHEUS} is missing; run `make tools`")
    folder = tmp_path_factory.mktemp("prometheus")
    aggregator = Aggregator()
    shown = SimpleNamespace(snapshot=aggregator.snapshot())
    page = PageServer(Exposition(lambda: shown.snapshot), healthy=lambda: True, port=0)
    page.start()
    here = Addresses(sidecars=(f"127.0.0.1:{page.port}",), prometheus="127.0.0.1:9", alertmanager="127.0.0.1:9")
    for name, content in files(loads(FLEET), time_scale=60, addresses=here).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    port, stop = free_port(), threading.Event()

    def serve():
        while not stop.wait(0.2):
            for slo in ("embedder-minilm-available", "embedder-minilm-quick"):
                for version, result, number in (
                    ("v1", "good", 79),
                    ("v1", "bad", 1),
                    ("v2", "good", 17),
                    ("v2", "bad", 3),
                ):
                    aggregator.add(SLO_EVENTS, ("embedder", "minilm", version, "", "", slo, result), number)
            aggregator.settle()
            shown.snapshot = aggregator.snapshot()

    traffic = threading.Thread(target=serve)
    traffic.start()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                str(PROMETHEUS), f"--config.file={folder}/prometheus/prometheus.yml",
                f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
            ],
            stderr=log, cwd=folder / "prometheus",
        )  # fmt: skip
    base = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while not settled(base):
            assert time.monotonic() < deadline, (folder / "log").read_text()[-2000:]
            time.sleep(0.5)
        yield base
    finally:
        stop.set()
        process.terminate()
        process.wait(20)
        traffic.join()
        page.close()


def slo(*arguments):
    return CliRunner().invoke(app, ["slo", *arguments])


def test_status_says_what_is_left_of_each_budget_and_what_fires(prometheus):
    answer = slo("status", "--json", "--prometheus", prometheus)

    assert answer.exit_code == 0, answer.output
    by_name = {one["slo"]: one for one in json.loads(answer.stdout)["slos"]}
    overdrawn, fine, silent = (
        by_name[name] for name in ("embedder-minilm-available", "embedder-minilm-quick", "classifier-magika-available")
    )
    # 4 % of the requests are bad: four times what 99 % allows, four fifths of what 95 % allows.
    assert overdrawn["budget_left_ratio"] == pytest.approx(-3, abs=0.01)
    assert fine["budget_left_ratio"] == pytest.approx(0.2, abs=0.01)
    assert fine["burn_rate"] == {window: pytest.approx(0.8, abs=0.05) for window in fine["burn_rate"]}
    assert "22h24m" in fine["burn_rate"]
    assert fine["budget_left_seconds"] == pytest.approx(0.2 * 0.05 * 28 * 86_400, rel=0.05)
    assert fine["gone_in_seconds"] == pytest.approx(0.2 / 0.8 * 28 * 86_400, rel=0.05)
    assert overdrawn["gone_in_seconds"] is None
    assert "long" in overdrawn["firing"]
    assert silent["budget_left_ratio"] is None


def test_the_screen_has_the_worst_first_and_fits(prometheus):
    answer = slo("status", "--prometheus", prometheus)

    lines = answer.stdout.splitlines()
    assert lines[1].split()[0] == "embedder-minilm-available"
    assert "gone" in lines[1]
    assert lines[3].split()[0] == "classifier-magika-available"
    assert max(map(len, lines)) <= 120


def test_the_gate_is_closed_where_a_budget_is_gone(prometheus):
    answer = slo("gate", "--service", "embedder", "--prometheus", prometheus)

    assert answer.exit_code == 1
    assert answer.stdout.startswith("closed: embedder-minilm-available has -")


def test_the_gate_is_open_where_the_budget_lasts_and_where_nothing_was_asked_yet(prometheus):
    assert slo("gate", "--service", "quick", "--prometheus", prometheus).exit_code == 0
    silent = slo("gate", "--service", "classifier", "--prometheus", prometheus)
    assert silent.exit_code == 0
    assert "no requests yet" in silent.stderr


def test_the_gate_may_ask_for_more_than_nothing(prometheus):
    answer = slo("gate", "--service", "quick", "--least", "50", "--prometheus", prometheus)

    assert answer.exit_code == 1
    assert "closed: embedder-minilm-quick has " in answer.stdout


def test_the_policy_is_known_where_the_rules_are(prometheus):
    status = json.loads(slo("status", "quick", "--no-causes", "--json", "--prometheus", prometheus).stdout)
    gate = slo("gate", "--service", "quick", "--prometheus", prometheus)

    assert {step["do"]: step["below_ratio"] for step in status["policy"]} == {"freeze": 0, "slow-rollout": 0.5}
    assert status["slos"][0]["do"] == ["slow-rollout"]
    assert gate.exit_code == 0
    assert "slow-rollout: embedder-minilm-quick has " in gate.stdout
    assert "below 50 %" in gate.stdout


def test_what_ate_it_is_told_by_labels_where_there_is_no_recorder(prometheus, monkeypatch):
    monkeypatch.setattr(declared_slo, "SIDECAR", f"http://127.0.0.1:{free_port()}")
    answer = json.loads(slo("status", "available", "--json", "--prometheus", prometheus).stdout)

    assert answer["causes_from"] == f"labels in Prometheus {prometheus}"
    ate_it = {one["slo"]: one["ate_it"] for one in answer["slos"]}["embedder-minilm-available"]
    assert ate_it["bad"] / ate_it["events"] == pytest.approx(0.04, abs=0.005)
    # In a minute there are no stretches of time to compare.
    assert [(one["dimension"], one["value"], one["clustered"]) for one in ate_it["causes"]] == [("version", "v2", True)]


def test_where_both_are_there_prometheus_tells_the_budgets_and_the_recorder_what_ate_them(prometheus, tmp_path):
    recorder = Recorder(tmp_path / "recorder.duckdb")
    known = Thresholds(objectives=thresholds(loads(FLEET)).objectives[:1])
    server = uvicorn.Server(
        uvicorn.Config(
            Api(recorder.cursor, known, healthy=lambda: True).app(), port=0, log_level="warning", lifespan="off"
        )
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        api = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        answer = slo("status", "embedder", "--json", "--prometheus", prometheus, "--api", api)
        screen = slo("status", "embedder", "--prometheus", prometheus, "--api", api)
    finally:
        server.should_exit = True
        thread.join()
        recorder.close()

    assert answer.exit_code == 0, answer.output
    document = json.loads(answer.stdout)
    by_name = {one["slo"]: one for one in document["slos"]}
    assert document["budgets_from"] == f"Prometheus {prometheus}"
    assert document["causes_from"] == f"flight recorder {api}, else labels in Prometheus {prometheus}"
    assert by_name["embedder-minilm-available"]["budget_left_ratio"] == pytest.approx(-3, abs=0.01)
    # This recorder saw none of one, and does not know the other: there the labels tell.
    for name in ("embedder-minilm-available", "embedder-minilm-quick"):
        assert by_name[name]["ate_it"]["causes"][0]["value"] == "v2"
    assert "what ate them: flight recorder" in screen.stdout


def test_without_anybody_named_it_is_said_who_was_tried(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(slo_source, "DEFAULT_PROMETHEUS", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(declared_slo, "SIDECAR", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    answer = slo("gate", "--service", "embedder")

    assert answer.exit_code == 2
    assert "nobody can tell: " in answer.stderr


def test_a_service_that_nobody_knows_does_not_pass(prometheus):
    answer = slo("gate", "--service", "embeder", "--prometheus", prometheus)

    assert answer.exit_code == 2
    assert "no SLO, service or objective 'embeder'; there are the services classifier, embedder" in answer.stderr


def test_without_prometheus_nobody_passes():
    answer = slo("gate", "--service", "embedder", "--prometheus", f"http://127.0.0.1:{free_port()}")

    assert answer.exit_code == 2
    assert "does not answer" in answer.stderr
