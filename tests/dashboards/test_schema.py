"""Boards are what Grafana 13's own types say that a board is, down to each panel's options."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest

from inferometer.fleet.loader import load
from inferometer_dashboards.generation import files

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "tests/data/grafana/board.schema.json").read_text())
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
BOARDS = {
    name: json.loads(content)
    for name, content in files(load(ROOT / "tools/boards/fleet.yaml")).items()
    if name.startswith("grafana/dashboards/")
}
KINDS = {"timeseries", "heatmap", "stat", "bargauge", "table", "state-timeline", "text", "row"}


def wrong(document):
    """What is wrong, each with the way to it; of a panel what its own kind says."""
    return sorted({line for error in VALIDATOR.iter_errors(document) for line in told(error)})


def told(error):
    if not error.context:
        yield f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        return
    branches = {}
    for inner in error.context:
        branches.setdefault(inner.schema_path[0], []).append(inner)
    of_its_kind = [found for found in branches.values() if not any(one.validator == "const" for one in found)]
    for inner in min(of_its_kind or branches.values(), key=len):
        yield from told(inner)


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_is_of_the_schema(name):
    assert wrong(BOARDS[name]) == []


def test_every_kind_of_panel_is_there_to_be_checked():
    kinds = {panel["type"] for board in BOARDS.values() for panel in board["panels"]}

    assert kinds >= KINDS


def first(kind):
    return copy.deepcopy(
        next(board for board in BOARDS.values() if any(panel["type"] == kind for panel in board["panels"]))
    )


def broken(kind, change):
    board = first(kind)
    change(next(panel for panel in board["panels"] if panel["type"] == kind))
    return board


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("timeseries", lambda panel: panel["options"].update(lgend={})),
        ("timeseries", lambda panel: panel["options"]["legend"].update(displayMode="grid")),
        ("timeseries", lambda panel: panel["fieldConfig"]["defaults"]["custom"].update(drawstyle="line")),
        ("timeseries", lambda panel: panel["targets"][0].pop("expr")),
        ("timeseries", lambda panel: panel["targets"][0].update(query="up")),
        ("stat", lambda panel: panel["options"].update(graphMode="pie")),
        ("heatmap", lambda panel: panel["options"]["color"].update(mode="colour")),
        ("table", lambda panel: panel.update(type="tabel")),
        ("table", lambda panel: panel["gridPos"].update(w="12")),
        ("row", lambda panel: panel.update(collapsed="no")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_panel_that_is_none_is_found(kind, change):
    assert wrong(first(kind)) == []
    assert wrong(broken(kind, change)) != []


def test_a_key_of_the_board_that_grafana_does_not_know_is_found():
    assert wrong({**BOARDS["grafana/dashboards/inferometer-fleet.json"], "placement": "inControlsMenu"}) != []
