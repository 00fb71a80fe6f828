"""`inferometer generate` writes, checks, and refuses a wrong file without writing anything."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FLEET = Path(__file__).parents[2] / "examples" / "fleet.yaml"


def generate(*arguments):
    command = [sys.executable, "-m", "inferometer_compose", "generate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, text=True, timeout=60, env=os.environ)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "config"
    return generate("--config", FLEET, "--out", out), out


def test_every_file_that_is_written_is_named(made):
    answer, out = made

    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split() == sorted(str(path) for path in out.rglob("*") if path.is_file())
    assert (out / "prometheus" / "prometheus.yml").is_file()


def test_a_second_run_changes_nothing(made):
    _, out = made

    assert generate("--config", FLEET, "--out", out).stdout == f"{out} is what {FLEET} makes\n"


def test_check_is_content_with_what_was_written(made):
    _, out = made

    assert generate("--config", FLEET, "--out", out, "--check").returncode == 0


def test_check_finds_drift_names_it_and_writes_nothing(made, tmp_path):
    _, out = made
    drifted = tmp_path / "config"
    shutil.copytree(out, drifted)
    (drifted / "thresholds.json").write_text("{}")

    answer = generate("--config", FLEET, "--out", drifted, "--check")

    assert answer.returncode == 1
    assert answer.stdout == f"{drifted / 'thresholds.json'}\n"
    assert f"inferometer generate --config {FLEET} --out {drifted}" in answer.stderr
    assert (drifted / "thresholds.json").read_text() == "{}"


def test_a_wrong_value_is_one_message_with_its_place_and_nothing_is_written(tmp_path):
    wrong = tmp_path / "fleet.yaml"
    wrong.write_text(FLEET.read_text().replace("target: 99.9,", "target: 100.5,"))
    line = next(n for n, text in enumerate(wrong.read_text().splitlines(), 1) if "100.5" in text)

    answer = generate("--config", wrong, "--out", tmp_path / "config")

    assert answer.returncode == 2
    assert f"{wrong}:{line}:" in answer.stderr
    assert "^^^^^" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (tmp_path / "config").exists()


def test_a_file_that_is_not_there_is_wrong_use(tmp_path):
    answer = generate("--config", tmp_path / "none.yaml", "--out", tmp_path / "config")

    assert answer.returncode == 2
    assert "none.yaml" in answer.stderr
