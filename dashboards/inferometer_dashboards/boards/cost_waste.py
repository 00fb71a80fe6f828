"""The row of the board *Cost* about waste: device time of answers that nobody got."""

from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, OUTCOME, SERVICE, TENANT
from inferometer.catalog.model import Label
from inferometer.catalog.requests import COST, RETRIED_COST
from inferometer.catalog.stages import ANSWERED, Outcome
from inferometer.promql import Expr
from inferometer_alerts.rule_labels import OF_MODEL
from inferometer_dashboards.panels import RATE_INTERVAL, Kind, Panel, Query, Row, Show, chosen, named

_OF: Final = chosen(SERVICE, MODEL, TENANT)
_SECONDS_PER_HOUR: Final = 3600
_IN_VAIN: Final = promql.one_of(OUTCOME, [outcome.label for outcome in Outcome if outcome not in ANSWERED])


def waste() -> Row:
    """What was computed in vain, and how much of the whole that is."""
    return Row(title="Waste", panels=(_share(), _outcomes(), _retried()))


def _spent(*by: Label) -> Expr:
    return promql.sum_by(promql.rate(promql.select(COST, *_OF), RATE_INTERVAL), *by)


def _in_vain() -> Expr:
    """Cost of requests that were not answered and of attempts that were given up; 0 where there were none."""
    none = _spent() * 0
    unanswered = promql.sum_by(promql.rate(promql.select(COST, *_OF, _IN_VAIN), RATE_INTERVAL))
    retried = promql.sum_by(promql.rate(promql.select(RETRIED_COST, *_OF), RATE_INTERVAL))
    return promql.either(unanswered, none) + promql.either(retried, none)


def _share() -> Panel:
    return Panel(
        key="waste-share",
        title="Wasted",
        description=(
            "Share of what requests cost that bought no answer: they failed, timed out, were rejected or cancelled, "
            "or their caller had given them up. Above a few percent: shorten timeouts, stop work when the client is "
            "gone, and retry with a pause."
        ),
        unit=Show.RATIO,
        kind=Kind.STAT,
        promql=(Query(expr=_in_vain() / (_spent() > 0), instant=True),),
        width=8,
    )


def _outcomes() -> Panel:
    unanswered = promql.sum_by(promql.rate(promql.select(COST, *_OF, _IN_VAIN), RATE_INTERVAL), OUTCOME)
    return Panel(
        key="waste-outcomes",
        title="Requests without an answer",
        description=(
            "Marginal cost per hour by how they ended. timeout: computed to the end for a client that had left. "
            "cancelled: the client went away; stop the model then. client_error with a cost: check inputs before "
            "the model runs."
        ),
        unit=Show.USD_PER_HOUR,
        kind=Kind.STACK,
        promql=(Query(expr=unanswered * _SECONDS_PER_HOUR, legend=named(OUTCOME)),),
        width=8,
    )


def _retried() -> Panel:
    retried = promql.sum_by(promql.rate(promql.select(RETRIED_COST, *_OF), RATE_INTERVAL), *OF_MODEL)
    return Panel(
        key="waste-retried",
        title="Attempts that were given up",
        description=(
            "Marginal cost per hour of good answers that nobody waited for: their caller had given up, asked again, "
            "or taken the faster of two hedged attempts. "
            "Not 0: the caller's timeout is shorter than the model's p99; make them fit, or hedge less."
        ),
        unit=Show.USD_PER_HOUR,
        kind=Kind.LINES,
        promql=(Query(expr=retried * _SECONDS_PER_HOUR, legend=named(*OF_MODEL)),),
        width=8,
    )
