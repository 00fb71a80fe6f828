"""The row of the board *Cost* about budgets of money: what is spent, how fast, and what a month will come to."""

from typing import Final

from inferometer import promql
from inferometer.fleet.budgets import HOURS_PER_MONTH
from inferometer.promql import Expr
from inferometer_alerts import recorded_costs
from inferometer_alerts.rule_labels import BUDGET
from inferometer_alerts.spending import SUDDEN
from inferometer_dashboards.panels import Colour, Kind, Panel, Query, Row, Show, Step, named

_PACE: Final = "7d"
"""A week has every season of spending once: days and nights, workdays and weekends."""
_WINDOWS: Final = ("1h", "6h", "1d", _PACE)


def budgets() -> Row:
    """Only where fleet.yaml has budgets: without one there is nothing to compare with."""
    return Row(title="Budgets", panels=(_forecast(), _burn(), _spent()))


def _of_month(pace: Expr) -> Expr:
    return pace * promql.select(recorded_costs.BUDGET_ALLOWED) * HOURS_PER_MONTH


def _forecast() -> Panel:
    pace = promql.select(recorded_costs.spending(_PACE))
    hourly = promql.select(recorded_costs.BUDGET_ALLOWED)
    return Panel(
        key="budgets",
        title="What a month will come to",
        description=(
            "Each budget of fleet.yaml by the month of 730 hours: what it allows, and what comes at the pace of the "
            "last week (of what is known of it) and of the last hour. Above 100 % spent: it will not be kept; the "
            "tables above say whose requests, `inferometer cost rightsize` what would cost less."
        ),
        unit=Show.USD,
        kind=Kind.TABLE,
        promql=(
            Query(expr=hourly * HOURS_PER_MONTH, legend="Budget", instant=True),
            Query(expr=_of_month(pace), legend="At the week's pace", instant=True),
            Query(
                expr=_of_month(promql.select(recorded_costs.spending("1h"))), legend="At this hour's pace", instant=True
            ),
            Query(expr=pace, legend="Used at the week's pace", instant=True, show=Show.RATIO),
        ),
        width=24,
        height=6,
    )


def _burn() -> Panel:
    return Panel(
        key="budget-burn",
        title="How fast budgets are spent",
        description=(
            "Spending as a multiple of what the budget allows; at 1 it is used up exactly. The hour far above the "
            "others: something was scaled out or runs wild. The week above 1: it will not be kept, whatever the hour "
            "says."
        ),
        unit=Show.MULTIPLE,
        kind=Kind.LINES,
        promql=tuple(
            Query(expr=promql.select(recorded_costs.spending(window)), legend=named(BUDGET, then=window))
            for window in _WINDOWS
        ),
        steps=(Step(1.0, Colour.WATCH), Step(float(SUDDEN), Colour.ACT)),
    )


def _spent() -> Panel:
    return Panel(
        key="budget-spent",
        title="Spent in an hour, and allowed",
        description=(
            "What the last hour cost, its share of idle time included, beside what an hour may cost. Steady above "
            "the line: a smaller fleet or a larger budget. Peaks only: an alert compares them with the week before."
        ),
        unit=Show.USD,
        kind=Kind.LINES,
        promql=(
            Query(expr=promql.select(recorded_costs.BUDGET_SPENT), legend=named(BUDGET, then="spent")),
            Query(expr=promql.select(recorded_costs.BUDGET_ALLOWED), legend=named(BUDGET, then="allowed")),
        ),
    )
