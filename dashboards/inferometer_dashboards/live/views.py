"""The views of the page: which panels each has. They are the boards' own, where the recorder can answer them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from inferometer.fleet.model import Fleet
from inferometer.fleet.routing import Routes
from inferometer_dashboards.boards.cost import cost
from inferometer_dashboards.boards.fleet import overview
from inferometer_dashboards.boards.model import latency
from inferometer_dashboards.boards.slo import objectives
from inferometer_dashboards.boards.slo_causes import bad_events
from inferometer_dashboards.panels import Board, Kind, Panel, Show
from inferometer_dashboards.sql import budgets
from inferometer_dashboards.sql import latency as sql

# Of a fleet the boards only name windows of alerts, which the recorder does not need.
_NO_FLEET: Final = Fleet(
    version=1, name="live", services=(), objectives=(), receivers=(), routes=Routes(page="", ticket="")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A view: one question, and the panels that answer it."""

    key: str
    title: str
    question: str
    panels: tuple[Panel, ...]
    of_one_model: bool = False
    """Without a model it shows the busiest: of all together one reads little."""
    sparklines: bool = False
    """Whether the rows of its models have their p99 over time."""


def views() -> tuple[View, ...]:
    """Every view that has panels, in the order of the page's menu."""
    fleet, model, money = overview(_NO_FLEET), latency(_NO_FLEET), cost(_NO_FLEET)
    return (
        View(
            key="fleet",
            title="Fleet",
            question="Are users well served, and where not?",
            panels=(_models(fleet), *_of(fleet, "tail", "errors", "requests", "devices"), _budgets()),
            sparklines=True,
        ),
        View(
            key="model",
            title="Model latency",
            question="Where does the time of a request go?",
            of_one_model=True,
            panels=(
                *_of(model, "percentiles", "duration-heatmap", "stage-shares"),
                _tail(),
                *_of(model, "versions", "stage-means", "first-chunk", "first-token", "time-per-output-token", "tokens"),
            ),
        ),
        View(
            key="slo",
            title="SLO & budget",
            question="Is what was promised kept, and how fast is the budget used?",
            panels=(objectives(_NO_FLEET), *_of(fleet, "burn-rate"), bad_events(), _left_at_most(fleet)),
        ),
        View(
            key="cost",
            title="Cost",
            question="What do a thousand requests cost, and what is paid for nothing?",
            panels=(
                *_of(money, "per-1k", "per-1k-loaded", "bill-now", "idle-now", "models", "tenants", "spend"),
                *_of(money, "per-1k-models-tenants", "bill", "idle", "ledger", "prices"),
            ),
        ),
    )


def _of(board: Board, *keys: str) -> Iterator[Panel]:
    panels = {panel.key: panel for panel in board.panels()}
    for key in keys:
        yield panels[key]


def _models(fleet: Board) -> Panel:
    """The page's columns are not the board's: it has a budget, and no busy devices."""
    (panel,) = _of(fleet, "models")
    return replace(
        panel,
        description=(
            "One line per model, the one that burns its budget fastest first; each hop counts for the model that "
            "served it. Open a model to see where its time goes. A burn of 1 uses a budget up exactly in its period, "
            "one of 14.4 wakes somebody up. A model that is bad beside others that are well has its own cause; "
            "when all turn bad together, look at what they share: devices, network, a release. All figures are of the "
            "time that is shown; the small line is the p99 over it. Of a budget at most that much is left: what is "
            "not recorded of its period is taken for good."
        ),
    )


def _left_at_most(fleet: Board) -> Panel:
    """A recorder knows a part of the period only: Prometheus, which knows more, may say less."""
    (panel,) = _of(fleet, "budget-left")
    return replace(
        panel,
        title="Error budget left, at most",
        description=f"{panel.description} What is not recorded of the period is taken for good here.",
    )


def _tail() -> Panel:
    return Panel(
        key="stage-shares-tail",
        title="Shares of the slowest hundredth",
        description=(
            "What requests at and above the p99 of their model spent their time on. A stage that is larger here than "
            "in the mean is what makes the tail: queue, and requests wait for others; execute, and these are larger "
            "or their device was slowed down; remote, and the callee's own page says more."
        ),
        unit=Show.RATIO,
        kind=Kind.BARS,
        promql=(),
        sql=sql.TAIL_SHARES,
        maximum=1.0,
    )


def _budgets() -> Panel:
    return Panel(
        key="budgets",
        title="Budgets by model",
        description="Of each model's objectives the fastest burn, and the least that is left of a budget.",
        unit=Show.COUNT,
        kind=Kind.TABLE,
        promql=(),
        sql=budgets.BY_MODEL,
    )
