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
RANGE: Final = "$__range"
"""Grafana's window for the whole time that is shown."""
GRID_COLUMNS: Final = 24
TRACE: Final = "trace"
"""Name of the variable that holds a trace's id."""


class Show(Enum):
    """Unit of what a panel shows."""

    SECONDS = "seconds"
    USD = "US dollars"
    USD_PER_HOUR = "US dollars per hour"
    RATIO = "a share, shown in percent"
    PER_SECOND = "requests per second"
    COUNT = "a number of things"
    MULTIPLE = "a multiple"
    EVENTS_PER_SECOND = "events per second"
    TOKENS_PER_SECOND = "tokens per second"
    BYTES = "bytes"
    BYTES_PER_SECOND = "bytes per second"
    WATTS = "watts"
    JOULES = "joules"
    CELSIUS = "degrees Celsius"
    HERTZ = "hertz"
    AGE = "seconds, shown as days and hours"
    DATE = "milliseconds since the epoch, shown as a date"


class Kind(StrEnum):
    """How a panel draws its queries."""

    LINES = "lines"
    STACK = "stacked areas"
    HEATMAP = "heatmap"
    STAT = "numbers"
    BARS = "bars"
    TABLE = "table"
    TIMELINE = "states over time"
    TRACE = "waterfall"
    SPANS = "spans of a trace, a table"
    TEXT = "text"


class Colour(StrEnum):
    """Colours of limits; red is for what needs somebody now."""

    GOOD = "green"
    CALM = "blue"
    WATCH = "orange"
    ACT = "red"


@dataclass(frozen=True, slots=True)
class Step:
    """From this value on a panel has a colour."""

    at: float
    colour: Colour


@dataclass(frozen=True, slots=True)
class State:
    """What a value of a timeline is called, and its colour."""

    value: int
    text: str
    colour: Colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """From a value to another board, or to its traces: with the labels of its series, and the time that is shown.

    Labels that the panel's result does not carry are taken from the variables of the board, where it has them. In a
    table the link stands in the column of the first label that the result carries.

    Attributes:
        title: What is behind it.
        board: The board; None: a search in Jaeger, or the live page.
        live: A view of the sidecar's own page.
        labels: What goes along; on the other board they are variables of the same names.
        operation: Name of the spans that are searched for; of Jaeger only.
    """

    title: str
    board: Uid | None = None
    labels: tuple[Label, ...] = ()
    operation: str = ""
    live: str = ""


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
        minimum: Lower end of the axis; None: as the data are.
        states: What the values of a timeline mean.
        text: Markdown; of a panel that only says something.
        links: Where a value leads, besides what its labels alone say (:mod:`inferometer_dashboards.links`).
        sort: Column by which a table is sorted, the largest value first; empty: as Prometheus answers.
        empty: What is shown where there is nothing.
    """

    key: str
    title: str
    description: str
    unit: Show
    kind: Kind
    promql: tuple[Query, ...] = ()
    sql: str | None = None
    width: int = 12
    height: int = 8
    steps: tuple[Step, ...] = ()
    maximum: float | None = None
    minimum: float | None = 0
    states: tuple[State, ...] = ()
    text: str = ""
    links: tuple[Link, ...] = ()
    sort: str = ""
    empty: str = "no data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Panels under a heading; ``collapsed``: asked for only when somebody opens them."""

    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """Something to choose at the top of a board: values of a label, several at once, or everything.

    Attributes:
        label: The label; its values are bounded in the catalogue, and so is the choice.
        family: A series that has it.
        within: Variables that narrow the choice: models of the chosen services only.
        optional: Whether series may lack the label; everything then includes those that do.
    """

    label: Label
    family: Family
    within: tuple[Label, ...] = ()
    optional: bool = False

    @property
    def everything(self) -> str:
        """What stands for the variable when everything is chosen."""
        return ".*" if self.optional else ".+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A board: one question, answered from the general to the particular.

    Raises:
        CatalogError: two panels have the same key, or a variable is narrowed by one that does not stand before it.

    ``of_one_trace``: the board has a field for a trace's id, and panels that show that trace.
    """

    uid: Uid
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...] = field(repr=False)
    of_one_trace: bool = False

    def __post_init__(self) -> None:
        keys = [panel.key for panel in self.panels()]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise CatalogError(f"{self.uid} has two panels with the key {', '.join(twice)}")
        for index, variable in enumerate(self.variables):
            before = {other.label for other in self.variables[:index]}
            if missing := [label.name for label in variable.within if label not in before]:
                raise CatalogError(f"{self.uid}: {variable.label.name} is within {', '.join(missing)}, not before it")

    def panels(self) -> Iterator[Panel]:
        """Every panel, from top to bottom."""
        for row in self.rows:
            yield from row.panels


def chosen(*labels: Label) -> tuple[Matcher, ...]:
    """Matchers for what is chosen at the top of the board."""
    return tuple(matching(label, f"${label.name}") for label in labels)


def optional(*labels: Label) -> tuple[Matcher, ...]:
    """Matchers for what is chosen, and for what lacks the label: alerts on devices have no service."""
    return tuple(matching(label, f"${label.name}|") for label in labels)


def named(*labels: Label, then: str = "") -> str:
    """A legend of labels, and a word behind them."""
    return " ".join([*(f"{{{{{label.name}}}}}" for label in labels), *([then] if then else [])])
