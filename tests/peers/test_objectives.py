"""Objectives of every kind, alone in a fleet, from fleet.yaml to a firing alert in Prometheus's own engine."""

import subprocess
from pathlib import Path

import alert_fleets as fleets
import pytest

from inferometer_alerts.generation import files

pytestmark = [pytest.mark.peers, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
PROMTOOL = ROOT / ".tools/bin/promtool"


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    if not PROMTOOL.is_file():
        pytest.fail("promtool is missing; run `make tools`")
    return subprocess.run([PROMTOOL, *arguments], check=False, capture_output=True, text=True, timeout=240)


def written(folder: Path, objective: str, engine: str) -> Path:
    for name, content in files(fleets.alone(objective, engine=engine)).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / "prometheus"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("objective", "engine"), fleets.ALONE.values(), ids=fleets.ALONE.keys())
def test_every_leg_of_an_objective_fires_and_ends_and_what_is_recorded_is_right(tmp_path, objective, engine):
    folder = written(tmp_path, objective, engine)
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", *sorted((folder / "rules").glob("*.yml")))
    assert checked.returncode == 0, checked.stdout + checked.stderr

    tested = promtool("test", "rules", *sorted((folder / "tests").glob("slo_*.yml")))

    assert tested.returncode == 0, tested.stdout[-4000:] + tested.stderr


MUTANTS = [
    ("freshness", "[10m]", "[20m]"),
    ("freshness", "[10m]", "[5m]"),
    ("freshness", 'outcome=~"degraded|ok"', 'outcome=~"degraded|ok|server_error"'),
    ("freshness", "1 - clamp_max", "clamp_max"),
    ("freshness of a tenant's version", "sum by (service, model, tenant, version)", "sum by (service, model, tenant)"),
    ("cost", "> 0.5", "> 0.4"),
    ("cost", "> 0.5", "> 0.6"),
    ("cost", "> 0.5", "< 0.5"),
    ("GPUs", 'name=~"NVIDIA H100.*"', 'name=~".*"'),
    ("GPUs", "[1d]", "[2d]"),
    ("GPUs", "[1d]", "[12h]"),
    ("GPUs", "unless on (device)", "and on (device)"),
    ("latency of each tenant", "group_left (objective, tenant)", "group_left (objective)"),
    ("an engine's first token", 'le=~"1|1\\\\.0"', 'le="2.5"'),
    ("an engine's first token", "_token_seconds_count", "_token_seconds_sum"),
    ("an engine's failures", 'outcome=~"rejected|server_error|timeout"', 'outcome=~"rejected|timeout"'),
    ("an engine's queue", 'stage="queue"', 'stage="execute"'),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("what", "right", "wrong"), MUTANTS, ids=lambda value: str(value)[:40])
def test_a_wrong_rule_is_found_out(tmp_path, what, right, wrong):
    folder = written(tmp_path, *fleets.ALONE[what])
    rules = folder / "rules/slo.yml"
    before = rules.read_text()
    assert right in before
    rules.write_text(before.replace(right, wrong))

    # The shortest first: most are found out by a few samples.
    shortest_first = sorted((folder / "tests").glob("slo_*.yml"), key=lambda path: path.stat().st_size)

    assert any(
        "FAILED" in tested.stdout + tested.stderr for tested in (promtool("test", "rules", p) for p in shortest_first)
    )
