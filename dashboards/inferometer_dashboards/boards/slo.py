"""The board *SLO and budget*: is what was promised kept, how long does the budget last, and what ate it?"""

from typing import Final

from inferometer import promql
from inferometer.catalog.labels import CLASS, MODEL, OUTCOME, REGION, RESULT, SERVICE, SLO, TENANT, VERSION
from inferometer.catalog.requests import REQUESTS, SLO_EVENTS
from inferometer.catalog.stages import FAILED
from inferometer.fleet.model import Fleet
from inferometer.promql import Expr
from inferometer_alerts import recorded
from inferometer_alerts.rule import Board as Uid
from inferometer_dashboards.boards import budget_panels
from inferometer_dashboards.boards.budget_panels import FAST, NO_OBJECTIVES, SLOW
from inferometer_dashboards.panels import (
    RANGE,
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
_MOST_ROWS: Final = 50


def promises(fleet: Fleet) -> Board:
    """Every objective: kept or not, its budget, its pace, its end, and the versions and tenants behind it."""
    family = recorded.SLO_OBJECTIVE
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
            Row(title="What ate it", panels=(_eaten(), bad_events(*_CHOSEN), _by_version(), _by_tenant())),
        ),
    )


def _broken() -> Panel:
    left = promql.select(recorded.SLO_BUDGET_LEFT, *_CHOSEN)
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
        height=4,
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
        height=4,
        empty=NO_OBJECTIVES,
    )


def _how_many(some: Expr, of: Expr) -> Expr:
    """A number that is 0 where none is, and nothing where there is nothing to count."""
    return promql.either(promql.count_by(some), promql.count_by(of) * 0)


def _firing() -> Panel:
    firing = promql.select(
        recorded.ALERTS, promql.equal(recorded.ALERT_STATE, "firing"), *optional(SERVICE, MODEL, SLO)
    )
    labels = (recorded.ALERT_NAME, recorded.SEVERITY, SERVICE, MODEL, SLO)
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
        height=4,
        empty="nothing fires",
    )


def objectives(fleet: Fleet, *matchers: promql.Matcher) -> Panel:
    """Every objective in a line."""

    def column(series: recorded.Recorded, legend: str, show: Show) -> Query:
        return Query(expr=promql.select(series, *matchers), legend=legend, instant=True, show=show)

    bad, events = (promql.select(one, *matchers) for one in (recorded.SLO_BAD_PERIOD, recorded.SLO_EVENTS_PERIOD))
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
            column(recorded.SLO_OBJECTIVE, "Target", Show.RATIO),
            Query(expr=1 - bad / (events > 0), legend="Good", instant=True),
            Query(expr=budget_panels.burn(fleet, FAST, *matchers), legend="Burn", instant=True, show=Show.MULTIPLE),
            column(recorded.SLO_BUDGET_LEFT, "Budget left", Show.RATIO),
            column(recorded.SLO_EVENTS_PERIOD, "Events", Show.COUNT),
            column(recorded.SLO_BAD_PERIOD, "Bad", Show.COUNT),
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
        promql=(Query(expr=promql.select(recorded.SLO_BUDGET_LEFT, *_CHOSEN), legend=named(SLO)),),
        steps=budget_panels.left_steps(fleet),
        minimum=None,
        maximum=1.0,
        empty=NO_OBJECTIVES,
    )


def _forecast(fleet: Fleet) -> Panel:
    left = promql.select(recorded.SLO_BUDGET_LEFT, *_CHOSEN)
    period = promql.select(recorded.SLO_PERIOD, *_CHOSEN)

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


def _eaten() -> Panel:
    return Panel(
        key="eaten",
        title="Bad events, in five minutes each",
        description=(
            "When the budget was used, from the same tiles that long windows are summed from. One tall stretch: an "
            "incident, choose that time and read the marks. A low carpet: errors that nobody was told of."
        ),
        unit=Show.COUNT,
        kind=Kind.STACK,
        promql=(Query(expr=promql.select(recorded.SLO_BAD_TILE, *_CHOSEN), legend=named(SLO)),),
        empty=NO_OBJECTIVES,
    )


def bad_events(*matchers: promql.Matcher) -> Panel:
    """What uses budgets, over time."""
    return Panel(
        key="bad-events",
        title="Bad events per second",
        description=(
            "What uses the budget, by objective. One line alone: that model. Several at once: what they share. Open "
            "the requests of that minute by a click on the line."
        ),
        unit=Show.PER_SECOND,
        kind=Kind.LINES,
        promql=(Query(expr=promql.select(recorded.bad_events("5m"), *matchers) / 300, legend="{{slo}}"),),
        sql=budgets.BAD_EVENTS,
        empty=NO_OBJECTIVES,
    )


def _by_version() -> Panel:
    bad = promql.select(SLO_EVENTS, promql.equal(RESULT, "bad"), *_CHOSEN)
    found = promql.sum_by(promql.increase(bad, RANGE), SLO, VERSION, REGION, CLASS) > 0
    budget = promql.sum_by(
        promql.select(recorded.SLO_EVENTS_PERIOD, *_CHOSEN) * promql.select(recorded.SLO_BUDGET, *_CHOSEN), SLO
    )
    return Panel(
        key="eaten-by-version",
        title="By version, region and class",
        description=(
            "Bad events in the time that is shown, and which share of the whole period's budget they are. A new "
            "version with a share beyond its traffic: roll it back. One region alone: its devices, its network. "
            "Objectives on pages of engines are not listed: such pages tell no versions."
        ),
        unit=Show.RATIO,
        kind=Kind.TABLE,
        promql=(
            Query(expr=found, legend="Bad", instant=True, show=Show.COUNT),
            Query(expr=promql.divide(found, budget > 0, on=(SLO,)), legend="Of the period's budget", instant=True),
        ),
        sort="Of the period's budget",
        empty="no bad event in the time that is shown",
    )


def _by_tenant() -> Panel:
    failed = promql.one_of(OUTCOME, [outcome.label for outcome in FAILED])
    asked = promql.select(REQUESTS, *chosen(SERVICE, MODEL), failed)
    return Panel(
        key="failed-by-tenant",
        title="Failed requests by tenant and outcome",
        description=(
            "Whose requests failed in the time that is shown, and how. One tenant alone: ask what it sends. Timeouts: "
            "look at the tail of that model. Refusals: there was no room, look at queues. Errors: read a failed "
            "trace. Slow requests that were answered are not here; the latency board has them."
        ),
        unit=Show.COUNT,
        kind=Kind.TABLE,
        promql=(
            Query(
                expr=promql.top(
                    _MOST_ROWS, promql.sum_by(promql.increase(asked, RANGE), SERVICE, MODEL, TENANT, OUTCOME) > 0
                ),
                legend="Failed",
                instant=True,
            ),
        ),
        sort="Failed",
        empty="no request failed in the time that is shown",
    )
