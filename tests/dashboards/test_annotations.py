"""Marks on every board: alerts, new versions and cold starts, of what is chosen."""

from dataclasses import replace
from pathlib import Path

import promql_parser
import pytest

from inferometer.catalog.labels import MODEL, SERVICE
from inferometer.fleet.loader import load
from inferometer_dashboards.annotations import annotations
from inferometer_dashboards.boards import boards

BOARDS = boards(load(Path(__file__).parents[2] / "examples/fleet.yaml"))
BOARD = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid.value)


def marks(board):
    return {one.name: one for one in annotations(board)}


@BOARD
def test_every_board_has_marks_of_alerts_versions_and_cold_starts(board):
    assert list(marks(board)) == ["Pages", "Tickets", "New versions", "Cold starts"]


@BOARD
def test_marks_are_of_what_is_chosen_where_something_can_be_chosen(board):
    variables = {variable.label for variable in board.variables}

    for one in annotations(board):
        for label in (SERVICE, MODEL):
            chosen = f'{label.name}=~"${label.name}' in one.expr.text
            assert chosen == (label in variables and not (one.name == "Cold starts" and label is MODEL))


@BOARD
def test_an_alert_on_a_device_is_marked_whichever_service_is_chosen(board):
    if SERVICE in {variable.label for variable in board.variables}:
        assert 'service=~"$service|"' in marks(board)["Pages"].expr.text


def test_a_version_is_new_only_where_nobody_asked_it_for_an_hour():
    text = marks(BOARDS[0])["New versions"].expr.text

    assert "unless on (service, model, version)" in text
    assert "[1h] offset $__rate_interval" in text


@BOARD
def test_marks_are_promql(board):
    for one in annotations(board):
        promql_parser.parse(one.expr.text.replace("$__rate_interval", "1m"))


def test_a_board_without_choices_has_the_marks_of_the_fleet():
    bare = replace(BOARDS[0], variables=())

    assert "$service" not in "".join(one.expr.text for one in annotations(bare))
