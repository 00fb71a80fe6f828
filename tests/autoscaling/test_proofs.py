"""The generated proofs of what autoscalers read, in Prometheus's own engine; and that a wrong rule is found out."""

import subprocess
from pathlib import Path

import pytest
from scaled_fleet import fleet_text

from inferometer.fleet.loader import loads
from inferometer_alerts.generation import files

pytestmark = [pytest.mark.peers, pytest.mark.slow]

PROMTOOL = Path(__file__).parents[2] / ".tools/bin/promtool"
ENGINE = (
    "{kind: keda, min: 1, max: 4, target: {queue: 5, in_flight: 20, kv_cache: 80, time_to_first_token: 1s, p99: 2s}}"
)
FLEETS = {
    "instrumented": fleet_text(),
    "foreign engine": fleet_text(llm=ENGINE).replace(
        "  llm:\n    engine: fastapi\n", '  llm:\n    engine: vllm\n    pages: ["http://vllm:8000/metrics"]\n'
    ),
    "hostile names": fleet_text().replace("minilm:", "'/a|b.*(c) \"{}<<':"),
    "long windows": fleet_text().replace("window: 30d", "window: 90d"),
}


def written(folder: Path, text: str) -> Path:
    for name, content in files(loads(text)).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / "prometheus"


def verdict(folder: Path) -> str:
    """What promtool says of every proof of autoscaling; empty where all hold."""
    assert PROMTOOL.is_file(), "promtool is missing; run `make tools`"
    said = []
    for proof in sorted(folder.glob("tests/autoscaling_*_test.yml")):
        done = subprocess.run([PROMTOOL, "test", "rules", proof], check=False, capture_output=True, text=True)
        said.append("" if done.returncode == 0 else done.stdout + done.stderr)
    assert said, "no proof was generated"
    return "".join(said)


@pytest.mark.parametrize("text", FLEETS.values(), ids=FLEETS)
def test_every_proof_holds(tmp_path, text):
    assert verdict(written(tmp_path, text)) == ""


# `tools/mutants` makes every one of them; here one of each kind of signal.
MUTANTS = [
    ("avg by (service, model)", "sum by (service, model)"),
    ("[1m]", "[2m]"),
    ("histogram_quantile(0.9,", "histogram_quantile(0.95,"),
    ('_count{service="llm", model="llama-8b"}[2m])) == 0', '_count{service="llm", model="llama-8b"}[2m])) >= 0'),
    ("ratio5m{", "ratio1h{"),
    ("> 1)", "> 1.2)"),
]


@pytest.mark.parametrize(("right", "wrong"), MUTANTS, ids=lambda value: str(value)[:30])
def test_a_wrong_rule_is_found_out(tmp_path, right, wrong):
    folder = written(tmp_path, FLEETS["foreign engine"])
    rules = folder / "rules/autoscaling.yml"
    before = rules.read_text()
    assert right in before
    rules.write_text(before.replace(right, wrong, 1))

    assert "FAILED" in verdict(folder)
