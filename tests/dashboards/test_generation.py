"""Files on disk: complete, in step with fleet.yaml, never half written, never somebody else's."""

import json
import stat
from pathlib import Path

import pytest

from inferometer.errors import FleetError, StateError
from inferometer.fleet.loader import load
from inferometer_dashboards import generation

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/fleet.yaml"


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_committed_files_are_those_of_the_example():
    drifted = generation.write(EXAMPLE, ROOT / "compose/config", check=True)

    assert drifted == [], "run make generate"


def test_the_same_fleet_gives_the_same_bytes():
    fleet = load(EXAMPLE)

    assert generation.files(fleet) == generation.files(fleet)


def test_one_run_writes_everything_and_the_next_one_nothing(tmp_path):
    written = generation.write(EXAMPLE, tmp_path)

    assert written == sorted(snapshot(tmp_path))
    assert {"thresholds.json", "fleet.schema.json", "grafana/dashboards/inferometer-fleet.json"} < set(written)
    assert generation.write(EXAMPLE, tmp_path) == []


def test_a_check_names_what_differs_and_writes_nothing(tmp_path):
    generation.write(EXAMPLE, tmp_path)
    rules, board = tmp_path / "prometheus/rules/slo.yml", tmp_path / "grafana/dashboards/inferometer-cost.json"
    rules.write_text("groups: []\n")
    board.unlink()
    before = snapshot(tmp_path)

    assert generation.write(EXAMPLE, tmp_path, check=True) == [
        "grafana/dashboards/inferometer-cost.json",
        "prometheus/rules/slo.yml",
    ]
    assert snapshot(tmp_path) == before


def test_files_of_ours_that_are_no_longer_made_go_and_those_of_others_stay(tmp_path):
    generation.write(EXAMPLE, tmp_path)
    mine = tmp_path / "prometheus/rules/mine.yml"
    mine.write_text("groups: []\n")

    changed = generation.write(EXAMPLE, tmp_path, time_scale=60)

    tests = [name for name in changed if name.startswith("prometheus/tests/")]
    assert tests, "promtool tests are made for real windows only"
    assert not any((tmp_path / name).exists() for name in tests)
    assert mine.exists()


@pytest.mark.parametrize(
    "name",
    ["../outside", *(pytest.param(name, marks=pytest.mark.broad) for name in ("/outside", "a/../../outside", ""))],
)
def test_a_listing_that_was_edited_removes_nothing_elsewhere(tmp_path, name):
    out = tmp_path / "config"
    outside = tmp_path / "outside"
    outside.write_text("keep me")
    generation.write(EXAMPLE, out)
    (out / generation.LISTING).write_text(f"{name.replace('/outside', str(outside)) if name[:1] == '/' else name}\n")

    generation.write(EXAMPLE, out)

    assert outside.read_text() == "keep me"


def test_a_fleet_that_is_wrong_writes_nothing(tmp_path):
    wrong = tmp_path / "fleet.yaml"
    wrong.write_text(EXAMPLE.read_text().replace("target: 99.9", "target: 100"))

    with pytest.raises(FleetError):
        generation.write(wrong, tmp_path / "config")

    assert not (tmp_path / "config").exists()


def test_files_can_be_read_by_the_containers_that_mount_them(tmp_path):
    generation.write(EXAMPLE, tmp_path)

    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in snapshot(tmp_path)}
    assert all(mode & stat.S_IROTH for mode in modes)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "config").write_text("a file")

    with pytest.raises(StateError, match="config"):
        generation.write(EXAMPLE, tmp_path / "config")


def test_the_schema_knows_every_key_of_the_example_and_refuses_others():
    schema = json.loads(generation.files(load(EXAMPLE))["fleet.schema.json"])

    assert set(schema["required"]) <= set(schema["properties"])
    assert {"services", "objectives", "tenants", "devices", "receivers", "routes"} <= set(schema["properties"])
    assert schema["additionalProperties"] is False
