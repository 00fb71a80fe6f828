"""The board *SLO and budget*: is what was promised kept, how long does the budget last, and what ate it?"""

from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, SERVICE, SLO
from inferometer.fleet.model import Fleet
from inferometer.promql import Expr
from inferometer_alerts import prometheus_series, recorded_slos, rule_labels, rule_series
from inferometer_alerts.rule import Board as Uid
from inferometer_dashboards.boards import budget_panels
from inferometer_dashboards.boards.budget_panels import FAST, NO_OBJECTIVES, SLOW
from inferometer_dashboards.boards.slo_causes import causes
from inferometer_dashboards.panels import (
    Board,
    Kind,
    Panel,
    Query,
    Row,
    Show,
    Variable,
    chosen,
    named,
    optional,
)
from inferometer_dashboards.sql import budgets

_OF_MODEL: Final = (SERVICE, MODEL)
_CHOSEN: Final = chosen(SERVICE, MODEL, SLO)


def promises(fleet: Fleet) -> Board:
    """Every objective: kept or not, its budget, its pace, its end, and the versions and tenants behind it."""
    family = recorded_slos.SLO_OBJECTIVE
    return Board(
        uid=Uid.SLO,
        title="SLO and budget",
        description=(
            "Is what was promised kept, how long does the budget last, and what ate it? Everything is read from what "
            "rules recorded, as the alerts do. Objectives of GPUs have neither service nor model."
        ),
        variables=(
            Variable(label=SERVICE, family=family, optional=True),
            Variable(label=MODEL, family=family, within=(SERVICE,), optional=True),
            Variable(label=SLO, family=family, within=_OF_MODEL),
        ),
        rows=(
            Row(title="Now", panels=(_broken(), _burning(fleet), _firing(), objectives(fleet, *_CHOSEN))),
            Row(
                title="Budget",
                panels=(
                    budget_panels.budget_left(fleet, *_CHOSEN),
                    _left_over_time(fleet),
                    budget_panels.burn_rates(fleet, *_CHOSEN),
                    _forecast(fleet),
                ),
            ),
            causes(),
        ),
    )


def _broken() -> Panel:
    left = promql.select(recorded_slos.SLO_BUDGET_LEFT, *_CHOSEN)
    return Panel(
        key="broken",
        title="Promises broken",
        description=(
            "Objectives whose budget of the period is gone. Any: changes wait, and the bars below say whose; what ate "
            "the budget stands at the bottom."
        ),
        unit=Show.COUNT,
        kind=Kind.STAT,
        promql=(Query(expr=_how_many(left <= 0, left), instant=True),),
        steps=budget_panels.ANY_IS_BAD,
        width=4,
        height=6,
        empty=NO_OBJECTIVES,
    )


def _burning(fleet: Fleet) -> Panel:
    pace = budget_panels.burn(fleet, FAST, *_CHOSEN)
    return Panel(
        key="burning",
        title="Burn too fast now",
        description=(
            "Objectives that used their budget faster than it may be, in the window of their fastest alert. More than "
            "one: look for what they share (a device, a network, a release) before you look at each."
        ),
        unit=Show.COUNT,
        kind=Kind.STAT,
        promql=(Query(expr=_how_many(pace > 1, pace), instant=True),),
        steps=budget_panels.ANY_IS_WATCHED,
        width=4,
        height=6,
        empty=NO_OBJECTIVES,
    )


def _how_many(some: Expr, of: Expr) -> Expr:
    """A number that is 0 where none is, and nothing where there is nothing to count."""
    return promql.either(promql.count_by(some), promql.count_by(of) * 0)


def _firing() -> Panel:
    firing = promql.select(
        prometheus_series.ALERTS, promql.equal(rule_labels.ALERT_STATE, "firing"), *optional(SERVICE, MODEL, SLO)
    )
    labels = (rule_labels.ALERT_NAME, rule_labels.SEVERITY, SERVICE, MODEL, SLO)
    return Panel(
        key="firing",
        title="Alerts that fire",
        description=(
            "What somebody is told of what is chosen, and what fires without a model of its own. Each has a runbook "
            "with its name. Nothing here and a budget that burns: it burns too slowly for an alert, or too few events "
            "failed to call it a trend."
        ),
        unit=Show.COUNT,
        kind=Kind.TABLE,
        promql=(Query(expr=promql.group_by(firing, *labels), legend="Firing", instant=True),),
        width=16,
        height=6,
        empty="nothing fires",
    )


def objectives(fleet: Fleet, *matchers: promql.Matcher) -> Panel:
    """Every objective in a line."""

    def column(series: rule_series.Recorded, legend: str, show: Show) -> Query:
        return Query(expr=promql.select(series, *matchers), legend=legend, instant=True, show=show)

    bad, events = (
        promql.select(one, *matchers) for one in (recorded_slos.SLO_BAD_PERIOD, recorded_slos.SLO_EVENTS_PERIOD)
    )
    return Panel(
        key="objectives",
        title="Objectives",
        description=(
            "Each promise of fleet.yaml, by the time that is shown; the one that burns fastest first. At a burn of 1 "
            "the budget lasts exactly its period, at 14 a month's is gone in two days. Budget left is what is left of "
            "the whole period at most: what is not recorded any more is taken for good."
        ),
        unit=Show.RATIO,
        kind=Kind.TABLE,
        promql=(
            column(recorded_slos.SLO_OBJECTIVE, "Target", Show.RATIO),
            Query(expr=1 - bad / (events > 0), legend="Good", instant=True),
            Query(expr=budget_panels.burn(fleet, FAST, *matchers), legend="Burn", instant=True, show=Show.MULTIPLE),
            column(recorded_slos.SLO_BUDGET_LEFT, "Budget left", Show.RATIO),
            column(recorded_slos.SLO_EVENTS_PERIOD, "Events", Show.COUNT),
            column(recorded_slos.SLO_BAD_PERIOD, "Bad", Show.COUNT),
        ),
        sql=budgets.OBJECTIVES,
        width=24,
        sort="Burn",
        empty=NO_OBJECTIVES,
    )


def _left_over_time(fleet: Fleet) -> Panel:
    return Panel(
        key="budget-left-over-time",
        title="Error budget left, over time",
        description=(
            "A cliff: one incident; its minute is where to look, and a mark of a new version at its edge is the "
            "suspect. A slope: something leaks all the time. It rises as bad days leave the period."
        ),
        unit=Show.RATIO,
        kind=Kind.LINES,
        promql=(Query(expr=promql.select(recorded_slos.SLO_BUDGET_LEFT, *_CHOSEN), legend=named(SLO)),),
        steps=budget_panels.left_steps(fleet),
        minimum=None,
        maximum=1.0,
        empty=NO_OBJECTIVES,
    )


def _forecast(fleet: Fleet) -> Panel:
    left = promql.select(recorded_slos.SLO_BUDGET_LEFT, *_CHOSEN)
    period = promql.select(recorded_slos.SLO_PERIOD, *_CHOSEN)

    def lasts(tier: str) -> Expr:
        return (left > 0) * period / (budget_panels.burn(fleet, tier, *_CHOSEN) > 1)

    return Panel(
        key="forecast",
        title="When the budget is gone",
        description=(
            "How long what is left lasts, if it goes on as in the window of the fastest alert, and as in that of the "
            "slow one. Hours: act now. Days: put risky releases off, and plan the work. Objectives whose budget is "
            "gone, or lasts its period at this pace, are not listed. Bad events that leave the period are not "
            "counted on."
        ),
        unit=Show.AGE,
        kind=Kind.TABLE,
        promql=(
            Query(expr=lasts(FAST), legend="At the pace of now", instant=True),
            Query(expr=lasts(SLOW), legend="At the pace of the last day", instant=True),
        ),
        empty="at this pace every budget that is left lasts its period",
    )
