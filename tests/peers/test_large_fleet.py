"""A fleet of 200 models: its rules load without a warning, and their proofs hold."""

import subprocess
from pathlib import Path

import pytest

from inferometer.fleet.loader import loads
from inferometer_alerts.generation import files

pytestmark = [pytest.mark.peers, pytest.mark.slow, pytest.mark.timeout(900)]

PROMTOOL = Path(__file__).parents[2] / ".tools/bin/promtool"
HEAD = """
version: 1
fleet: large
objectives:
  available: {sli: availability, target: 99.9, window: 30d}
  interactive: {sli: latency, threshold: 250ms, target: 99, window: 30d}
receivers: {oncall: {webhook: {url: "http://127.0.0.1:9/"}}}
routes: {page: oncall, ticket: oncall}
services:
"""
MODELS = "".join(f"      m{number}: {{objectives: [available, interactive]}}\n" for number in range(5))
SERVICES = "".join(f"  s{number:02d}:\n    engine: fastapi\n    models:\n{MODELS}" for number in range(40))


def run(*arguments):
    if not PROMTOOL.is_file():
        pytest.fail("promtool is missing; run `make tools`")
    return subprocess.run([PROMTOOL, *map(str, arguments)], check=False, capture_output=True, text=True, timeout=900)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    for name, content in files(loads(HEAD + SERVICES)).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / "prometheus"


def test_all_rules_of_two_hundred_models_load_without_a_warning(folder):
    checked = run("check", "rules", "--lint=all", "--lint-fatal", *sorted((folder / "rules").glob("*.yml")))

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert (folder / "rules/slo.yml").read_text().count("record: slo:info") == 400


def test_what_two_hundred_models_promise_is_proved(folder):
    # Two hundred times as many rules are of objectives. tests/peers/test_rules.py proves the others, of a small fleet.
    proofs = sorted((folder / "tests").glob("slo_*.yml"))
    tested = run("test", "rules", *proofs)

    assert proofs
    assert tested.returncode == 0, tested.stdout[-4000:] + tested.stderr
