"""A table that fits a terminal: columns that matter less are left out before any name is cut short."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

_GAP: Final = "  "
_SHORTEST: Final = 8
"""Cells that a name keeps where there is no room."""
_CUT: Final = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True, slots=True)
class Column:
    """A title and a cell for every row; figures stand on the right."""

    title: str
    cells: Sequence[str]
    rank: int = 0
    """Those of the highest rank go first where there is no room; 0 stays."""
    figure: bool = True

    @property
    def width(self) -> int:
        """Cells of the widest of them."""
        return max(cell_len(text) for text in (self.title, *self.cells))


def table(columns: Iterable[Column], width: int, *, indent: str = "  ") -> tuple[list[Text], list[str]]:
    """Lines of at most *width* cells, the titles first; and the titles of the columns that had no room."""
    shown = list(columns)
    left_out: list[str] = []
    while _total(shown, indent) > width and any(column.rank for column in shown):
        dropped = max(shown, key=lambda column: column.rank)
        shown = [column for column in shown if column is not dropped]
        left_out.append(dropped.title)
    widths = _fitted(shown, width - cell_len(indent))
    rows = zip(*(column.cells for column in shown), strict=True)
    lines = [
        Text(
            indent + _GAP.join(_cell(text, column, wide) for text, column, wide in zip(row, shown, widths, strict=True))
        )
        for row in ([column.title for column in shown], *rows)
    ]
    for line in lines:
        line.rstrip()
    lines[0].stylize("bold")
    return lines, left_out


def plain(text: str) -> str:
    """A name as it can be printed: whatever a terminal would obey is replaced."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def _total(columns: Sequence[Column], indent: str) -> int:
    return cell_len(indent) + sum(column.width for column in columns) + len(_GAP) * (len(columns) - 1)


def _fitted(columns: Sequence[Column], width: int) -> list[int]:
    """Widths of the columns; names are cut, the longest first, where they do not fit."""
    widths = [column.width for column in columns]
    names = [index for index, column in enumerate(columns) if not column.figure]
    while sum(widths) + len(_GAP) * (len(widths) - 1) > width:
        longest = max(names, key=lambda index: widths[index], default=None)
        if longest is None or widths[longest] <= _SHORTEST:
            break
        widths[longest] -= 1
    return widths


def _cell(text: str, column: Column, width: int) -> str:
    if cell_len(text) > width:
        text = set_cell_size(text, width - 1) + _CUT
    pad = " " * (width - cell_len(text))
    return pad + text if column.figure else text + pad
