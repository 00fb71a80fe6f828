"""Generated rules in Prometheus's own engine: they load, they fire when they must, and a wrong one is found out."""

import subprocess
from decimal import Decimal
from pathlib import Path

import alert_fleets as fleets
import pytest

from inferometer import promql
from inferometer.catalog.labels import MODEL, RESULT, SERVICE, SLO
from inferometer.catalog.requests import SLO_EVENTS
from inferometer.fleet.loader import loads
from inferometer_alerts import prometheus_series, rule_labels
from inferometer_alerts.generation import files
from inferometer_alerts.samples import Phase, counter
from inferometer_alerts.yaml_text import dump

pytestmark = [pytest.mark.peers]

ROOT = Path(__file__).parents[2]
BIN = ROOT / ".tools/bin"
GENERATED = ROOT / "compose/config"


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = BIN / program
    if not path.is_file():
        pytest.fail(f"{program} is missing; run `make tools`")
    return subprocess.run([path, *arguments], check=False, capture_output=True, text=True, timeout=240)


def written(folder: Path, fleet, **how) -> Path:
    for name, content in files(fleet, **how).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


FLEETS = {"example": fleets.example, "hostile": fleets.hostile}


@pytest.mark.parametrize("scale", [1, 60])
@pytest.mark.parametrize("fleet", FLEETS.values(), ids=FLEETS.keys())
def test_promtool_finds_nothing_wrong_with_the_rules(tmp_path, fleet, scale):
    rules = sorted((written(tmp_path, fleet(), time_scale=scale) / "prometheus/rules").glob("*.yml"))
    checked = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *map(str, rules))

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("scale", [1, 60, 1000])
@pytest.mark.parametrize("fleet", FLEETS.values(), ids=FLEETS.keys())
def test_promtool_and_amtool_accept_the_configuration(tmp_path, fleet, scale):
    folder = written(tmp_path, fleet(), time_scale=scale)
    prometheus = run(
        "promtool", "check", "config", "--lint=all", "--lint-fatal", str(folder / "prometheus/prometheus.yml")
    )
    alertmanager = run("amtool", "check-config", str(folder / "alertmanager/alertmanager.yml"))

    assert prometheus.returncode == 0, prometheus.stdout + prometheus.stderr
    assert alertmanager.returncode == 0, alertmanager.stdout + alertmanager.stderr


@pytest.mark.parametrize(("severity", "receiver"), [("page", "oncall"), ("ticket", "team")])
def test_amtool_routes_each_severity_to_its_receiver(severity, receiver):
    config = GENERATED / "alertmanager/alertmanager.yml"
    routed = run("amtool", "config", "routes", "test", f"--config.file={config}", f"--verify.receivers={receiver}",
                 f"severity={severity}", "slo=gateway-search-available")  # fmt: skip

    assert routed.returncode == 0, routed.stdout + routed.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("proof", sorted((GENERATED / "prometheus/tests").glob("*.yml")), ids=lambda path: path.stem)
def test_every_generated_proof_holds(proof):
    tested = run("promtool", "test", "rules", str(proof))

    assert tested.returncode == 0, tested.stdout[-4000:] + tested.stderr


def test_there_are_proofs():
    assert len(list((GENERATED / "prometheus/tests").glob("*.yml"))) >= 4


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("proof", ["causes_30s", "slo_15s"])
def test_proofs_hold_whatever_things_are_called(tmp_path, proof):
    folder = written(tmp_path, fleets.hostile())
    tested = run("promtool", "test", "rules", str(folder / f"prometheus/tests/{proof}_test.yml"))

    assert tested.returncode == 0, tested.stdout[-4000:] + tested.stderr


@pytest.mark.parametrize(("target", "minutes"), [("99.9", 2), ("99", 3), ("95", 5), ("90", 10)])
def test_a_total_outage_at_ten_requests_a_minute_pages_in_time_and_half_the_budget_never(tmp_path, target, minutes):
    """Two hours of a healthy service that uses half of its budget, then nothing but failures."""
    fleet = loads((ROOT / "examples/fleet.yaml").read_text().replace("target: 99.9,", f"target: {target},"))
    folder = written(tmp_path, fleet) / "prometheus"
    per_scrape, healthy = Decimal("2.5"), 2 * 60 * 4
    bad = (100 - Decimal(target)) / 100 / 2
    outage = Phase(80, Decimal(1))
    shares = [Phase(healthy, bad), outage]
    page = promql.group_by(
        promql.select(
            prometheus_series.ALERTS,
            promql.equal(rule_labels.ALERT_STATE, "firing"),
            promql.equal(rule_labels.SEVERITY, "page"),
            promql.equal(SLO, "gateway-search-available"),
        )
    ).text
    test = {
        "rule_files": ["rules/slo.yml"],
        "evaluation_interval": "30s",
        "group_eval_order": ["slo-promises", "slo-tiles", "slo-later", "slo-now"],
        "tests": [
            {
                "interval": "15s",
                "input_series": [
                    {"series": events("bad"), "values": counter(Phase(p.samples, p.rise * per_scrape) for p in shares)},
                    {
                        "series": events("good"),
                        "values": counter(Phase(p.samples, (1 - p.rise) * per_scrape) for p in shares),
                    },
                ],
                "promql_expr_test": [
                    {"expr": page, "eval_time": "1h", "exp_samples": []},
                    {"expr": page, "eval_time": "2h", "exp_samples": []},
                    {"expr": page, "eval_time": f"2h{minutes}m", "exp_samples": [{"labels": "{}", "value": 1}]},
                ],
            }
        ],
    }
    (folder / "outage_test.yml").write_bytes(dump(test))

    tested = run("promtool", "test", "rules", str(folder / "outage_test.yml"))

    assert tested.returncode == 0, tested.stdout + tested.stderr


def events(result: str) -> str:
    return promql.select(
        SLO_EVENTS,
        promql.equal(SERVICE, "gateway"),
        promql.equal(MODEL, "/search"),
        promql.equal(SLO, "gateway-search-available"),
        promql.equal(RESULT, result),
    ).text
