"""The row of the board *SLO and budget* that says what ate the budget."""

from typing import Final

from inferometer import promql
from inferometer.catalog.labels import CLASS, MODEL, OUTCOME, REGION, RESULT, SERVICE, SLO, TENANT, VERSION
from inferometer.catalog.requests import REQUESTS, SLO_EVENTS
from inferometer.catalog.stages import FAILED
from inferometer_alerts import recorded_slos
from inferometer_dashboards.boards.budget_panels import NO_OBJECTIVES
from inferometer_dashboards.panels import (
    RANGE,
    Kind,
    Panel,
    Query,
    Row,
    Show,
    chosen,
    named,
)
from inferometer_dashboards.sql import budgets

_CHOSEN: Final = chosen(SERVICE, MODEL, SLO)
_MOST_ROWS: Final = 50


def causes() -> Row:
    """When, in which version and region, and for whom."""
    return Row(title="What ate it", panels=(_eaten(), bad_events(*_CHOSEN), _by_version(), _by_tenant()))


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
        promql=(Query(expr=promql.select(recorded_slos.SLO_BAD_TILE, *_CHOSEN), legend=named(SLO)),),
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
        promql=(Query(expr=promql.select(recorded_slos.bad_events("5m"), *matchers) / 300, legend="{{slo}}"),),
        sql=budgets.BAD_EVENTS,
        empty=NO_OBJECTIVES,
    )


def _by_version() -> Panel:
    bad = promql.select(SLO_EVENTS, promql.equal(RESULT, "bad"), *_CHOSEN)
    found = promql.sum_by(promql.increase(bad, RANGE), SLO, VERSION, REGION, CLASS) > 0
    budget = promql.sum_by(
        promql.select(recorded_slos.SLO_EVENTS_PERIOD, *_CHOSEN) * promql.select(recorded_slos.SLO_BUDGET, *_CHOSEN),
        SLO,
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
