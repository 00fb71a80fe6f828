"""Burn-rate alerts: per objective and leg one rule, which covers every model that made the promise."""

from collections.abc import Iterator

from inferometer import promql
from inferometer.catalog.labels import MODEL, SERVICE, SLO
from inferometer.catalog.model import Label
from inferometer.fleet import durations
from inferometer.fleet.model import Fleet
from inferometer.fleet.objective import TIMES, Sli
from inferometer.fleet.slos import ObjectiveSpec, slos
from inferometer.promql import Expr
from inferometer_alerts import recorded_slos, wording
from inferometer_alerts.policy import Leg, legs
from inferometer_alerts.rule import Alert, Board, Severity
from inferometer_alerts.rule_labels import OBJECTIVE

_AT_LEAST_NS = durations.parse("1h")
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
        promql.select(recorded_slos.burn_rate(leg.long), of) > leg.factor,
        promql.select(recorded_slos.burn_rate(leg.short), of) > leg.factor,
        promql.select(recorded_slos.bad_events(leg.long), of) >= leg.min_bad_events,
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
        summary=f"{who(spec)} uses the error budget of {spec.name} {{{{ $value | humanize }}}} times too fast.",
        description=(
            f"Promised: {wording.promise(spec)}, for {target} of {wording.events(spec)} over {period}. "
            f"In the last {leg.long} the budget was used {{{{ $value | humanize }}}} times as fast as that allows "
            f"(limit {leg.factor:f}), and the last {leg.short} show that it goes on. At the limit all of it is gone "
            f"after {_lasts(spec, leg)}."
        ),
        board=board(spec),
        variables=variables(spec),
        # What made it fire began as long ago as its window is.
        shows=durations.render(max(leg.long_ns, _AT_LEAST_NS)),
        slower_than_ns=spec.threshold_ns if spec.sli is Sli.LATENCY and spec.stage is None else None,
    )


def who(spec: ObjectiveSpec) -> str:
    """Whom an alert is about, as a template."""
    if spec.sli is Sli.GPU_AVAILABILITY:
        return "{{ $labels.slo }}"
    return "{{ $labels.service }} {{ $labels.model }}{{ with $labels.tenant }} for {{ . }}{{ end }}"


def board(spec: ObjectiveSpec) -> Board:
    """The board that answers it: of what takes long its stages, of what fails who failed, of money the bill."""
    if spec.sli is Sli.COST_PER_1K:
        return Board.COST
    return Board.MODEL if spec.sli in TIMES else Board.SLO


def variables(spec: ObjectiveSpec) -> tuple[Label, ...]:
    """Labels of its alerts that become variables of the board."""
    if spec.sli is Sli.GPU_AVAILABILITY:
        return (SLO,)
    return (SERVICE, MODEL, SLO) if board(spec) is Board.SLO else (SERVICE, MODEL)


def _lasts(spec: ObjectiveSpec, leg: Leg) -> str:
    minute = durations.parse("1m")
    return durations.render(int(spec.window_ns / leg.factor) // minute * minute)
