"""The boards in words, for docs/boards.md: every panel with its unit, what it says and what to do.

``python -m inferometer_dashboards.board_tables [--check] FILE...`` writes it into Markdown files, between markers.
"""

import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from inferometer import generated_tables
from inferometer.fleet.budgets import CostBudget
from inferometer.fleet.model import Fleet
from inferometer.fleet.routing import Routes
from inferometer_dashboards.boards import boards
from inferometer_dashboards.panels import Board, Panel

# What boards say of a fleet's own objectives and engines is not for the page about all fleets; budgets add a row.
_ANY_FLEET: Final = Fleet(
    version=1,
    name="any",
    services=(),
    objectives=(),
    receivers=(),
    routes=Routes(page="", ticket=""),
    budgets=(CostBudget(name="everything", usd_per_day=Decimal(1)),),
)


def _boards() -> str:
    return "\n".join(line for board in boards(_ANY_FLEET) for line in _board(board)).strip()


def _board(board: Board) -> Iterator[str]:
    yield f"### {board.title}"
    yield ""
    yield f"`/d/{board.uid}`. {board.description}"
    yield ""
    yield "| row | panel | unit | what it says, and what to do |"
    yield "|---|---|---|---|"
    for row in board.rows:
        title = row.title
        for panel in row.panels:
            yield f"| {title} | {panel.title} | {panel.unit.value} | {_in_a_cell(panel)} |"
            title = ""
    yield ""


def _in_a_cell(panel: Panel) -> str:
    return " ".join(panel.description.split()).replace("|", r"\|")


TABLES: Final[generated_tables.Tables] = {"boards": _boards}


if __name__ == "__main__":
    sys.exit(generated_tables.main("inferometer_dashboards.board_tables", sys.argv[1:], TABLES))
