"""What a board is made of: rows of panels, each with its queries, its unit and what to do when it looks bad."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final

from inferometer.catalog.model import Label
from inferometer.errors import CatalogError
from inferometer.promql import Expr, Family, Matcher, matching
from inferometer_alerts.rule import Board as Uid

RATE_INTERVAL: Final = "$__rate_interval"
"""Grafana's window for raw series: at least four scrapes, wider where a pixel is."""
GRID_COLUMNS: Final = 24


class Show(Enum):
    """Unit of what a panel shows."""

    SECONDS = "seconds"
    USD = "US dollars"
    USD_PER_HOUR = "US dollars per hour"
    RATIO = "a share, shown in percent"
    PER_SECOND = "requests per second"
    COUNT = "a number of things"
    MULTIPLE = "a multiple"


class Kind(StrEnum):
    """How a panel draws its queries."""

    LINES = "lines"
    STACK = "stacked areas"
    HEATMAP = "heatmap"
    STAT = "numbers"
    BARS = "bars"
    TABLE = "table"


class Colour(StrEnum):
    """Colours of limits; red is for what needs somebody now."""

    GOOD = "green"
    WATCH = "orange"
    ACT = "red"


@dataclass(frozen=True, slots=True)
class Step:
    """From this value on a panel has a colour."""

    at: float
    colour: Colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query of a panel.

    Attributes:
        expr: The query; variables of the board stand in its matchers.
        legend: Name of each result, with ``{{label}}``; of a table the name of the column.
        instant: Whether only the last value is asked for.
        exemplar: Whether the dots of kept traces are drawn; only raw series have them.
        show: Unit of a table's column, where it is not that of the panel.
    """

    expr: Expr
    legend: str = ""
    instant: bool = False
    exemplar: bool = False
    show: Show | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel; ``key`` is its name for links and tests and never changes.

    Attributes:
        key: Stable name, unique on the board.
        title: What is shown.
        description: What it means, and what to do when it looks bad.
        unit: Unit of the values.
        kind: How it is drawn.
        promql: Its queries on Prometheus.
        sql: Its query on the flight recorder; None: the live page does not show it.
        width: Columns of 24.
        height: Rows of the grid.
        steps: Limits, ascending; below the first one all is well.
        maximum: Upper end of the axis; None: as the data are.
    """

    key: str
    title: str
    description: str
    unit: Show
    kind: Kind
    promql: tuple[Query, ...]
    sql: str | None = None
    width: int = 12
    height: int = 8
    steps: tuple[Step, ...] = ()
    maximum: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """Something to choose at the top of a board: values of a label, several at once.

    ``within`` are variables that narrow the choice: models of the chosen services only.
    """

    label: Label
    family: Family
    within: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A board: one question, answered from the general to the particular.

    Raises:
        CatalogError: two panels have the same key.
    """

    uid: Uid
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...] = field(repr=False)

    def __post_init__(self) -> None:
        keys = [panel.key for panel in self.panels()]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise CatalogError(f"{self.uid} has two panels with the key {', '.join(twice)}")

    def panels(self) -> Iterator[Panel]:
        """Every panel, from top to bottom."""
        for row in self.rows:
            yield from row.panels


def chosen(*labels: Label) -> tuple[Matcher, ...]:
    """Matchers for what is chosen at the top of the board."""
    return tuple(matching(label, f"${label.name}") for label in labels)


def named(*labels: Label, then: str = "") -> str:
    """A legend of labels, and a word behind them."""
    return " ".join([*(f"{{{{{label.name}}}}}" for label in labels), *([then] if then else [])])
