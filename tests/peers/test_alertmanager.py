"""Our configuration of Alertmanager in its own tools: routes lead where our tests say, messages can be written."""

import json
import subprocess
from pathlib import Path

import alert_fleets as fleets
import alertmanager_tree
import pytest

from inferometer_alerts.addresses import COMPOSE
from inferometer_alerts.alertmanager import configuration
from inferometer_alerts.time_scale import TimeScale
from inferometer_alerts.yaml_text import dump

pytestmark = [pytest.mark.peers]

ROOT = Path(__file__).parents[2]
AMTOOL = ROOT / ".tools/bin/amtool"


def amtool(*arguments):
    if not AMTOOL.is_file():
        pytest.fail("amtool is missing; run `make tools`")
    done = subprocess.run([AMTOOL, *arguments], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("alertmanager") / "alertmanager.yml"
    path.write_bytes(dump(configuration(fleets.hostile(), TimeScale(1), COMPOSE)))
    return path


def test_amtool_reads_the_configuration_strictly(config):
    found = amtool("check-config", "--enable-feature=utf8-strict-mode", str(config))

    assert "SUCCESS" in found
    assert "7 receivers" in found


@pytest.mark.parametrize(
    "labels",
    [
        {"severity": "page"},
        {"severity": "ticket"},
        {"severity": "none"},
        {"severity": "heartbeat"},
        {"severity": "page", "team": "search"},
        {"severity": "ticket", "team": "search"},
        {"severity": "page", "team": "search", "service": fleets.HOSTILE_SERVICE},
        {"severity": "ticket", "tenant": fleets.HOSTILE_TENANT},
        {"severity": "ticket", "tenant": "acme"},
        {"alertname": "TargetDown"},
    ],
    ids=lambda labels: " ".join(labels.values())[:40],
)
def test_alertmanager_walks_the_routes_as_our_tests_do(config, labels):
    pairs = [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items()]

    found = amtool("config", "routes", "test", f"--config.file={config}", *pairs)

    assert found.strip().split(",") == alertmanager_tree.receivers(labels)


def alert(name, summary, **more):
    return {
        "status": "firing",
        "labels": {"alertname": name, "severity": "page"},
        "annotations": {
            "summary": summary,
            "description": f"What {name} means.",
            "now": "61 % of the error budget is left.",
            "runbook_url": f"http://run/{name}",
            "dashboard_url": f"http://board/{name}",
            "traces_url": f"http://traces/{name}",
        },
        "startsAt": "2026-11-23T02:59:58Z",
        "endsAt": "2026-11-23T03:12:00Z",
        **more,
    }


def message(status, *alerts):
    return {"status": status, "commonLabels": {"severity": "page"}, "alerts": list(alerts)}


def rendered(tmp_path, template, data):
    path = tmp_path / "data.json"
    path.write_text(json.dumps(data))
    empty = tmp_path / "none.tmpl"
    empty.write_text('{{ define "none" }}{{ end }}')
    return amtool(
        "template", "render", f"--template.glob={empty}", f"--template.text={template}", f"--template.data={path}"
    )


def templates():
    (slack,) = next(r["slack_configs"] for r in alertmanager_tree.read()["receivers"] if "slack_configs" in r)
    return slack["title"], slack["text"]


def test_a_message_names_what_is_broken_since_when_and_where_to_go_next(tmp_path):
    title, text = templates()
    data = message("firing", alert("Burn", "embedder burns."), alert("Queue", "embedder waits."))

    assert rendered(tmp_path, title, data).strip() == "PAGE embedder burns. (+1 more)"
    lines = rendered(tmp_path, text, data).strip().splitlines()
    assert lines[:7] == [
        "embedder burns.",
        "What Burn means.",
        "61 % of the error budget is left.",
        "since 2026-11-23 02:59:58 UTC",
        "board: http://board/Burn",
        "slow requests: http://traces/Burn",
        "runbook: http://run/Burn",
    ]
    assert "embedder waits." in lines


def test_what_is_over_says_until_when(tmp_path):
    title, text = templates()
    data = message("resolved", alert("Burn", "embedder burns.", status="resolved"))

    assert rendered(tmp_path, title, data).strip() == "RESOLVED embedder burns."
    assert "since 2026-11-23 02:59:58 UTC until 03:12:00" in rendered(tmp_path, text, data)
