"""The page about boards says what the boards say."""

from pathlib import Path

from inferometer import generated_tables
from inferometer.fleet.loader import load
from inferometer_dashboards import board_tables
from inferometer_dashboards.boards import boards

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/boards.md"


def test_the_page_is_in_step_with_the_boards():
    text = PAGE.read_text()

    assert generated_tables.filled(text, board_tables.TABLES) == text, "run make generate"


def test_every_panel_of_every_board_is_on_the_page_in_one_line_of_its_table():
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]

    for board in boards(load(ROOT / "examples/fleet.yaml")):
        for panel in board.panels():
            of_panel = [line for line in lines if f"| {panel.title} |" in line]
            assert of_panel, f"{board.uid} / {panel.title}"
            assert all(line.replace(r"\|", "").count("|") == 5 for line in of_panel)
