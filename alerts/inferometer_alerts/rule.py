"""What a rule file is made of: rules, alerts, groups; each knows what it needs to be right."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from inferometer.catalog.model import Label
from inferometer.errors import CatalogError
from inferometer.promql import Expr, Matcher
from inferometer_alerts.rule_series import Recorded


class Severity(StrEnum):
    """Whether somebody is woken, or told that alerting works; the routes of fleet.yaml have the same names."""

    PAGE = "page"
    TICKET = "ticket"
    HEARTBEAT = "heartbeat"
    NONE = "none"
    """Nobody is told: the alert only keeps others from being told."""


class Board(StrEnum):
    """A board: its uid in Grafana, which links and alerts point at; also its name in addresses."""

    FLEET = "inferometer-fleet"
    MODEL = "inferometer-model"
    REQUEST = "inferometer-request"
    SLO = "inferometer-slo"
    COST = "inferometer-cost"
    GPU = "inferometer-gpu"
    QUEUES = "inferometer-queues"
    LLM = "inferometer-llm"
    COLD_START = "inferometer-cold-start"
    VERSIONS = "inferometer-versions"
    SELF = "inferometer-self"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A recording rule; the expression's labels and the fixed ones are exactly those of the series.

    Raises:
        CatalogError: they are not.
    """

    series: Recorded
    expr: Expr
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        carried = {*self.expr.labels, *self.labels}
        if carried != set(self.series.label_names):
            raise CatalogError(
                f"{self.series.name} has the labels {', '.join(self.series.label_names) or 'none'}, "
                f"its rule yields {', '.join(sorted(carried)) or 'none'}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Proof of an alert: samples, and when it must fire and stay quiet (durations from the start, unscaled).

    ``series`` maps a series in promql notation to values in promtool's notation, one value per ``step``; ``only`` says
    which of the alert's elements is meant; ``without`` are labels of the samples that the alert must not have.
    Cases ``about`` different things, where they say so, may run side by side. ``given``: what other files record is
    among the samples, and their rules are not needed.
    """

    series: Mapping[str, str]
    only: tuple[Matcher, ...] = ()
    without: tuple[Label, ...] = ()
    about: frozenset[str] = frozenset()
    given: bool = False
    fires: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()
    step: str = "15s"
    evaluation: str = "30s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert: when, how urgent, and all that its reader needs.

    Attributes:
        name: Name; the runbook's file has it too.
        expr: It fires for each element of the result.
        severity: Page or ticket.
        tier: Value of the label ``slo_tier``.
        labels: Further fixed labels.
        summary: One line, with the values, in Prometheus's template language.
        description: What it means and where to look first, templated too.
        board: Board that shows it.
        variables: Labels of the alert that become variables of the board.
        hold: How long the expression must hold.
        shows: How far before the alert its links look.
        slower_than_ns: Requests below this are not looked for among its traces.
        cases: Proof, unless it is generated per objective.
    """

    name: str
    expr: Expr
    severity: Severity
    summary: str
    description: str
    board: Board
    tier: str = "cause"
    labels: Mapping[str, str] = field(default_factory=dict)
    variables: tuple[Label, ...] = ()
    hold: str = "0s"
    shows: str = "1h"
    slower_than_ns: int | None = None
    cases: tuple[Case, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """What a recorded series must be at some time: exactly these elements, each by all of its labels.

    Attributes:
        series: The series.
        at: Duration from the start, unscaled.
        elements: Labels and value of each; none: the series must be absent.
        only: Which elements are meant.
        to: What values are rounded to before they are compared; expected ones are whole multiples of it.
    """

    series: Recorded
    at: str
    elements: tuple[tuple[Mapping[str, str], Decimal], ...] = ()
    only: tuple[Matcher, ...] = ()
    to: Decimal = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Proof of recording rules: samples as in :class:`Case`, and what must be recorded of them."""

    name: str
    series: Mapping[str, str]
    expect: tuple[Expect, ...]
    step: str = "15s"
    evaluation: str = "30s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rules that are evaluated one after the other, every ``interval``, and the proof of those that record."""

    name: str
    interval: str
    rules: tuple[Rule | Alert, ...]
    readings: tuple[Reading, ...] = ()
