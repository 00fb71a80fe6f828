"""Where panels stand on Grafana's grid: left to right, a new line where the next one does not fit."""

from collections.abc import Iterator
from dataclasses import dataclass

from inferometer_dashboards.panels import GRID_COLUMNS, Board, Panel, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A place on the grid."""

    x: int
    y: int
    w: int
    h: int


def cells(board: Board) -> Iterator[tuple[Row | Panel, Cell]]:
    """Each row's heading and each panel with its place, from top to bottom.

    Below a collapsed row the next one stands at once: Grafana makes room when it is opened.
    """
    y = 0
    for row in board.rows:
        yield row, Cell(x=0, y=y, w=GRID_COLUMNS, h=1)
        top = y + 1
        x, y, line = 0, top, 0
        for panel in row.panels:
            if x + panel.width > GRID_COLUMNS:
                x, y, line = 0, y + line, 0
            yield panel, Cell(x=x, y=y, w=panel.width, h=panel.height)
            x, line = x + panel.width, max(line, panel.height)
        y = top if row.collapsed else y + line
