"""What stands as a mark on every board: alerts, versions that appear, and processes that start."""

from collections.abc import Iterator
from dataclasses import dataclass

from inferometer import promql
from inferometer.catalog.labels import DEVICE, MODEL, SERVICE, SLO, VERSION
from inferometer.catalog.model import Label
from inferometer.catalog.requests import COLD_STARTS
from inferometer.promql import Expr, Matcher
from inferometer_alerts import prometheus_series, recorded_models, rule_labels
from inferometer_alerts.rule import Severity
from inferometer_dashboards.panels import RATE_INTERVAL, Board, Colour, chosen, named, optional

_UNSEEN = "1h"
"""A version is new where nobody asked it for so long: a page that is away for minutes makes none new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """Marks on the time axis: a mark begins where the query has an element, and lasts as long."""

    name: str
    expr: Expr
    colour: Colour
    title: str
    text: str


def annotations(board: Board) -> Iterator[Annotation]:
    """The marks of a board; those of what is chosen, where the board lets somebody choose."""
    variables = {variable.label for variable in board.variables}
    for severity, name, colour in (
        (Severity.PAGE, "Pages", Colour.ACT),
        (Severity.TICKET, "Tickets", Colour.WATCH),
    ):
        yield Annotation(
            name=name,
            expr=_firing(severity, *optional(*_of(variables, SERVICE, MODEL))),
            colour=colour,
            title=named(rule_labels.ALERT_NAME),
            text=named(SERVICE, MODEL, SLO, DEVICE),
        )
    yield Annotation(
        name="New versions",
        expr=_new_versions(*chosen(*_of(variables, SERVICE, MODEL))),
        colour=Colour.CALM,
        title=named(SERVICE, MODEL),
        text=named(VERSION, then="is asked for the first time"),
    )
    yield Annotation(
        name="Cold starts",
        expr=_cold_starts(*chosen(*_of(variables, SERVICE))),
        colour=Colour.GOOD,
        title=named(SERVICE),
        text="a process started",
    )


def _of(variables: set[Label], *labels: Label) -> list[Label]:
    return [label for label in labels if label in variables]


def _firing(severity: Severity, *matchers: Matcher) -> Expr:
    firing = promql.select(
        prometheus_series.ALERTS,
        promql.equal(rule_labels.ALERT_STATE, "firing"),
        promql.equal(rule_labels.SEVERITY, severity.value),
        *matchers,
    )
    return promql.group_by(firing, rule_labels.ALERT_NAME, SERVICE, MODEL, SLO, DEVICE)


def _new_versions(*matchers: Matcher) -> Expr:
    asked = promql.select(recorded_models.MODEL_REQUESTS, *matchers)
    before = promql.offset(promql.last_over_time(asked, _UNSEEN), RATE_INTERVAL)
    of = (SERVICE, MODEL, VERSION)
    return promql.unless(promql.group_by(asked > 0, *of), promql.group_by(before, *of), on=of)


def _cold_starts(*matchers: Matcher) -> Expr:
    return promql.sum_by(promql.increase(promql.select(COLD_STARTS, *matchers), RATE_INTERVAL), SERVICE) > 0
