"""Boards before they become Grafana's: every panel says what to do, every query is right."""

from dataclasses import replace
from pathlib import Path

import promql_parser
import pytest

from inferometer.catalog.labels import MODEL, SERVICE
from inferometer.errors import CatalogError
from inferometer.fleet.loader import load
from inferometer_alerts.generation import alerts
from inferometer_alerts.rule import Board as Uid
from inferometer_alerts.time_scale import SCRAPE_NS, TimeScale
from inferometer_dashboards import queries
from inferometer_dashboards.boards import boards
from inferometer_dashboards.layout import Cell, cells
from inferometer_dashboards.panels import GRID_COLUMNS, Board, Kind, Row

FLEET = load(Path(__file__).parents[2] / "examples/fleet.yaml")
BOARDS = boards(FLEET)
BOARD = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid.value)


def overlap(a: Cell, b: Cell) -> bool:
    return a.x < b.x + b.w and b.x < a.x + a.w and a.y < b.y + b.h and b.y < a.y + a.h


def test_there_is_a_board_for_every_place_that_an_alert_points_at():
    have = [board.uid for board in BOARDS]

    assert len(set(have)) == len(have)
    assert {alert.board for alert in alerts(FLEET, TimeScale())} <= set(have) <= set(Uid)


def test_every_variable_that_an_alert_sets_is_on_its_board():
    have = {board.uid: {variable.label for variable in board.variables} for board in BOARDS}

    lacking = [
        (alert.name, label.name)
        for alert in alerts(FLEET, TimeScale())
        for label in alert.variables
        if label not in have[alert.board]
    ]

    assert lacking == []


@BOARD
def test_every_panel_says_what_it_shows_and_what_to_do(board: Board):
    for panel in board.panels():
        sentences = [sentence for sentence in panel.description.split(". ") if sentence]

        assert panel.title, panel.key
        assert len(sentences) >= 2, f"{panel.key}: what it means, and what to do when it looks bad"
        assert panel.description.endswith("."), panel.key


@BOARD
def test_every_panel_has_queries_and_every_line_a_name(board: Board):
    for panel in board.panels():
        assert bool(panel.promql) == (panel.kind not in {Kind.TEXT, Kind.TRACE, Kind.SPANS}), panel.key
        if panel.kind in {Kind.LINES, Kind.STACK, Kind.TABLE, Kind.BARS}:
            assert all(query.legend for query in panel.promql), panel.key


@BOARD
def test_exemplars_are_asked_of_raw_series_only(board: Board):
    for panel in board.panels():
        for query in panel.promql:
            if query.exemplar:
                assert ":" not in query.expr.text.partition("{")[0], panel.key


@BOARD
def test_panels_stay_on_the_grid_and_do_not_overlap(board: Board):
    folded = {id(panel) for row in board.rows if row.collapsed for panel in row.panels}
    placed = [cell for item, cell in cells(board) if id(item) not in folded]

    assert all(cell.x + cell.w <= GRID_COLUMNS for _, cell in cells(board))
    assert not [(a, b) for i, a in enumerate(placed) for b in placed[i + 1 :] if overlap(a, b)]


@BOARD
def test_panels_of_a_row_stand_below_its_heading(board: Board):
    heading = -1
    for item, cell in cells(board):
        if isinstance(item, Row):
            assert cell.y > heading
            heading = cell.y
        else:
            assert cell.y > heading


def test_two_panels_with_one_key_are_refused():
    board = BOARDS[0]

    with pytest.raises(CatalogError, match="inferometer-fleet has two panels with the key budget-left"):
        replace(board, rows=(board.rows[0], board.rows[0]))


@pytest.mark.parametrize("time_scale", [1, 60])
def test_every_query_is_promql_once_variables_are_filled_in(time_scale):
    ready = list(queries.expressions(FLEET, time_scale=time_scale))

    assert len(ready) == sum(len(panel.promql) for board in BOARDS for panel in board.panels())
    for query in ready:
        assert "$" not in query.expression, query
        promql_parser.parse(query.expression)


@pytest.mark.parametrize(("time_scale", "window"), [(1, "[1m]"), (60, "[4s]")])
def test_raw_series_are_read_over_four_scrapes(time_scale, window):
    scrape = TimeScale(time_scale).interval(SCRAPE_NS)
    rates = [q.expression for q in queries.expressions(FLEET, time_scale=time_scale) if "rate(" in q.expression]

    assert rates
    assert all(window in expression for expression in rates)
    assert TimeScale(time_scale).window(1) == 4 * scrape


def test_models_are_chosen_among_those_of_the_chosen_services():
    for board in BOARDS:
        chained = {variable.label: variable.within for variable in board.variables}
        assert chained.get(MODEL, (SERVICE,)) == (SERVICE,)
