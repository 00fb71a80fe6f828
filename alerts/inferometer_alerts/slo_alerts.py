"""Burn-rate alerts: per objective and leg one rule, which covers every model that made the promise."""

from collections.abc import Iterator

from inferometer import promql
from inferometer.catalog.labels import MODEL, SERVICE
from inferometer.fleet import durations
from inferometer.fleet.model import Fleet, ObjectiveSpec
from inferometer.fleet.slos import slos
from inferometer.promql import Expr
from inferometer_alerts import recorded
from inferometer_alerts.policy import Leg, legs
from inferometer_alerts.recorded import OBJECTIVE
from inferometer_alerts.rule import Alert, Board, Severity

NAMES = {Severity.PAGE: "InferenceBudgetBurnPage", Severity.TICKET: "InferenceBudgetBurnTicket"}


def alerts(fleet: Fleet) -> Iterator[Alert]:
    """The alerts of all objectives that some model promises."""
    for spec in {slo.objective.name: slo.objective for slo in slos(fleet)}.values():
        for leg in legs(spec):
            yield alert(spec, leg)


def condition(spec: ObjectiveSpec, leg: Leg) -> Expr:
    """What makes a leg fire: both windows burn, and enough failed to call it a trend."""
    of = promql.equal(OBJECTIVE, spec.name)
    return promql.both(
        promql.select(recorded.burn_rate(leg.long), of) > leg.factor,
        promql.select(recorded.burn_rate(leg.short), of) > leg.factor,
        promql.select(recorded.bad_events(leg.long), of) >= leg.min_bad_events,
    )


def alert(spec: ObjectiveSpec, leg: Leg) -> Alert:
    """The alert of one leg."""
    period = durations.render(spec.window_ns)
    target = f"{spec.target.normalize():f} %"
    return Alert(
        name=NAMES[leg.severity],
        expr=condition(spec, leg),
        severity=leg.severity,
        tier=leg.tier,
        # Inherited already; written out, it tells the rules of two objectives apart.
        labels={OBJECTIVE.name: spec.name},
        summary=(
            "{{ $labels.service }} {{ $labels.model }} uses the error budget of "
            f"{spec.name} {{{{ $value | humanize }}}} times too fast."
        ),
        description=(
            f"{_promise(spec)} for {target} of requests over {period}. In the last {leg.long} the budget was used "
            f"{{{{ $value | humanize }}}} times as fast as that allows (limit {leg.factor:f}), and the last "
            f"{leg.short} show that it goes on. At the limit all of it is gone after "
            f"{_lasts(spec, leg)}."
        ),
        board=Board.MODEL,
        variables=(SERVICE, MODEL),
    )


def _lasts(spec: ObjectiveSpec, leg: Leg) -> str:
    minute = durations.parse("1m")
    return durations.render(int(spec.window_ns / leg.factor) // minute * minute)


def _promise(spec: ObjectiveSpec) -> str:
    if spec.threshold_ns is None:
        return "Answers without failure are promised"
    what = "A first result" if spec.sli.value.endswith("chunk") else "An answer"
    return f"{what} within {durations.render(spec.threshold_ns)} is promised"
