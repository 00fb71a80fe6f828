"""``inferometer generate --kubernetes``: writes all or nothing, checks, and leaves other files alone."""

import json
from pathlib import Path

import pytest
from fleets_in_kubernetes import FLEETS
from hypothesis import given
from hypothesis import strategies as st

from inferometer.errors import FleetError, RefusedError, StateError
from inferometer.fleet.kubernetes import NAME, object_name
from inferometer_compose.commands import generate

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/kubernetes"
COMPOSE = ROOT / "examples/fleet.yaml"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "fleet.yaml"
    path.write_text(FLEETS["example"], encoding="utf-8")
    return path


def run(config: Path, out: Path, *, check: bool = False, kubernetes: bool = True) -> int:
    return generate.run(config, out, check=check, time_scale=1, kubernetes=kubernetes)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_committed_manifests_are_those_of_the_example(capsys):
    assert run(EXAMPLE / "fleet.yaml", EXAMPLE / "generated", check=True) == 0, "run make generate"
    assert "is what" in capsys.readouterr().out


def test_a_second_run_changes_nothing(config, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(config, out) == 0
    before = snapshot(out)
    capsys.readouterr()

    assert run(config, out) == 0
    assert capsys.readouterr().out.replace("\n", "") == f"{out} is what {config} makes"
    assert snapshot(out) == before


def test_a_check_says_what_differs_and_how_to_mend_it(config, tmp_path, capsys):
    out = tmp_path / "out"
    run(config, out)
    (out / "base/pod-monitor.yaml").write_text("changed: by somebody\n")
    before = snapshot(out)
    capsys.readouterr()

    assert run(config, out, check=True) == 1
    said = capsys.readouterr()
    assert "base/pod-monitor.yaml" in said.out.replace("\n", "")
    assert f"inferometer generate --config {config} --out {out} --kubernetes" in said.err
    assert snapshot(out) == before


def test_manifests_and_the_files_of_compose_live_in_one_folder(config, tmp_path):
    out = tmp_path / "out"
    run(config, out)
    run(COMPOSE, out, kubernetes=False)
    both = snapshot(out)

    assert run(config, out) == 0
    assert run(COMPOSE, out, kubernetes=False) == 0
    assert snapshot(out) == both
    assert {"generated.txt", "generated-kubernetes.txt"} <= both.keys()


def test_a_service_that_is_gone_takes_its_component_along(config, tmp_path):
    out = tmp_path / "out"
    run(config, out)
    mine = out / "components/embedder/mine.yaml"
    mine.write_text("mine: true\n")
    text = FLEETS["example"]
    start, end = text.index("  embedder:\n"), text.index("  llm:\n")
    config.write_text(text[:start] + text[end:])

    assert run(config, out) == 0
    assert list((out / "components/embedder").iterdir()) == [mine]


@pytest.mark.parametrize(
    ("right", "wrong", "error"),
    [
        ("min: 2, max: 10", "min: 2, max: 1", FleetError),
        ("version: v7", "version: no space", FleetError),
        ("namespace: inference", "namespace: In_ference", FleetError),
        ("image: registry.example/inferometer:0.1.0", 'image: "an image"', FleetError),
        (
            "    timeout: 120s\n    kubernetes: {sidecar: node}",
            '    timeout: 120s\n    pages: ["http://llm:8000/metrics"]\n    kubernetes: {sidecar: node}',
            RefusedError,
        ),
    ],
)
def test_a_fleet_that_is_wrong_writes_nothing(config, tmp_path, right, wrong, error):
    text = FLEETS["example"]
    assert right in text
    changed = text.replace(right, wrong, 1)
    if error is RefusedError:
        changed = changed.replace("  llm:\n    engine: fastapi", "  llm:\n    engine: vllm")
    config.write_text(changed)

    with pytest.raises(error):
        run(config, tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_named(config, tmp_path):
    (tmp_path / "out").write_text("a file")

    with pytest.raises(StateError, match="out"):
        run(config, tmp_path / "out")


def test_every_time_is_divided_and_says_so(config, tmp_path):
    out = tmp_path / "out"
    generate.run(config, out, check=False, time_scale=60, kubernetes=True)

    monitor = (out / "base/pod-monitor.yaml").read_text()
    assert "Time scale 60" in monitor
    assert "interval: 1s" in monitor


@given(st.lists(st.text(max_size=80), min_size=1, max_size=3))
def test_whatever_a_thing_is_called_its_object_has_a_name_that_kubernetes_takes(parts):
    name = object_name(*parts)

    assert NAME.read(name) == name


def test_the_schema_of_the_file_completes_it():
    schema = json.loads((ROOT / "compose/config/fleet.schema.json").read_text())

    assert {"namespace", "image", "release"} <= schema["properties"]["kubernetes"]["properties"].keys()
    service = schema["properties"]["services"]["additionalProperties"]["properties"]
    scaling = service["models"]["additionalProperties"]["properties"]["autoscaling"]
    assert {"kind", "min", "max", "target"} <= set(scaling["required"])
