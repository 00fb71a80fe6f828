"""Alerts on what is left of a budget: all of it is gone, or will be soon."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, SERVICE, SLO
from inferometer.fleet import durations
from inferometer.fleet.budget_policy import Action
from inferometer.fleet.model import Fleet
from inferometer.fleet.slos import ObjectiveSpec, Slo, slos
from inferometer.promql import Expr
from inferometer_alerts import budget_proofs, recorded_slos, slo_series, wording
from inferometer_alerts.budget_proofs import Budget
from inferometer_alerts.policy import budget, legs
from inferometer_alerts.rule import Alert, Board, Case, Severity
from inferometer_alerts.rule_labels import OBJECTIVE
from inferometer_alerts.samples import Phase
from inferometer_alerts.time_scale import TimeScale

SOON: Final = Decimal("0.1")
"""A tenth of the period, 3 of 30 days: time to slow down what is risky."""
_FORECAST_TIER: Final = "slow"
"""The leg whose long window is taken for how things go, a day of a period of 30."""
_FEWEST: Final = 10
"""Bad events in the period below which no budget is called gone: a service of yesterday had few requests yet."""
_EXACTLY: Final = Decimal("1e-9")
_BEFORE: Final = ("15m",)
_AFTER: Final = ("45m",)
"""Moments around those at which the alerts fire, counted from when a tenth of the period is known."""


def alerts(fleet: Fleet, scale: TimeScale) -> Iterator[Alert]:
    """Budgets that are gone, those that will be before a tenth of the period is over, and where the policy pages."""
    first: dict[str, Slo] = {}
    for slo in slos(fleet):
        first.setdefault(slo.objective.name, slo)
    below = max((step.below for step in fleet.policy if step.do is Action.PAGE), default=None)
    for slo in first.values():
        yield _exhausted(slo, scale)
        yield _forecast(slo, scale)
        if below is not None:
            yield _low(slo, below / 100, scale)


def _alert(
    slo: Slo,
    name: str,
    expr: Expr,
    *,
    summary: str,
    description: str,
    cases: tuple[Case, ...],
    severity: Severity = Severity.TICKET,
) -> Alert:
    return Alert(
        name=name,
        expr=expr,
        severity=severity,
        # Inherited already; written out, it tells the rules of two objectives apart.
        labels={OBJECTIVE.name: slo.objective.name},
        summary=summary,
        description=description,
        board=Board.SLO,
        variables=(SLO,) if slo.device is not None else (SERVICE, MODEL, SLO),
        # A budget is used over days; most of what used it is in the last of them.
        shows="7d",
        hold="30m",
        cases=cases,
    )


def _exhausted(slo: Slo, scale: TimeScale) -> Alert:
    spec, share = slo.objective, budget(slo.objective)
    of = promql.equal(OBJECTIVE, spec.name)
    left = promql.select(recorded_slos.SLO_BUDGET_LEFT, of)
    enough = promql.select(recorded_slos.SLO_BAD_PERIOD, of) >= _FEWEST
    return _alert(
        slo,
        "InferenceBudgetExhausted",
        promql.both(left <= 0, enough, _known(spec, scale)),
        summary="The error budget of {{ $labels.slo }} is gone: {{ $value | humanizePercentage }} of it are left.",
        description=(
            f"More {wording.events(spec)} were bad in the last {durations.render(spec.window_ns)} than the objective "
            "allows; {{ $value | humanizePercentage }} of the budget is left. What changes the service waits until it "
            "recovers, as its policy says."
        ),
        cases=(
            _case(slo, share * 2, fires=_AFTER, quiet=_BEFORE),
            _case(slo, share / 2, quiet=_AFTER),
            *_given(
                slo,
                Budget(left=Decimal(-1), fires=True),
                Budget(left=Decimal(0), fires=True),
                Budget(left=Decimal("0.01"), fires=False),
                Budget(left=Decimal(-1), bad=_FEWEST, fires=True),
                Budget(left=Decimal(-1), bad=_FEWEST - 1, fires=False),
            ),
        ),
    )


def _forecast(slo: Slo, scale: TimeScale) -> Alert:
    spec, share = slo.objective, budget(slo.objective)
    long = _forecast_window(spec)
    of = promql.equal(OBJECTIVE, spec.name)
    soon = durations.render(_soon(spec))
    left = promql.select(recorded_slos.SLO_BUDGET_LEFT, of)
    # What is left lasts for this share of the period; for ever where nothing is bad.
    lasts = left / promql.select(recorded_slos.burn_rate(long), of)
    enough = promql.select(recorded_slos.bad_events(long), of) >= _FEWEST
    return _alert(
        slo,
        "InferenceBudgetForecast",
        promql.both(lasts < SOON, left > 0, enough, _known(spec, scale)),
        summary=(
            "The error budget of {{ $labels.slo }} will be gone after {{ $value | humanizePercentage }} of its period."
        ),
        description=(
            f"If it goes on like in the last {long}, what is left of the budget is used up before {soon} are over."
        ),
        cases=(
            # Bad at two thirds of the budget, of which so a third is left; that lasts half of the period.
            _case(slo, share * 2 / 3, quiet=_AFTER),
            # At 19 in 20 a twentieth is left: gone after a twentieth of the period.
            _case(slo, share * 19 / 20, fires=_AFTER, quiet=_BEFORE),
            *_given(
                slo,
                Budget(left=SOON * 9 / 10, fires=True),
                Budget(left=SOON * 11 / 10, fires=False),
                # Much is left and goes fast, little is left and goes slowly, or not at all.
                Budget(left=Decimal("0.5"), burn=Decimal(10), fires=True),
                Budget(left=Decimal("0.05"), burn=Decimal("0.25"), fires=False),
                Budget(left=Decimal("0.05"), burn=Decimal(0), fires=False),
                # Gone already: that is another alert.
                Budget(left=Decimal(0), fires=False),
                Budget(left=Decimal(-1), fires=False),
                Budget(left=SOON / 2, lately=_FEWEST, fires=True),
                Budget(left=SOON / 2, lately=_FEWEST - 1, fires=False),
            ),
        ),
    )


def _low(slo: Slo, below: Decimal, scale: TimeScale) -> Alert:
    """What the policy in fleet.yaml pages for."""
    spec, share = slo.objective, budget(slo.objective)
    of = promql.equal(OBJECTIVE, spec.name)
    left = promql.select(recorded_slos.SLO_BUDGET_LEFT, of)
    enough = promql.select(recorded_slos.SLO_BAD_PERIOD, of) >= _FEWEST
    rest = f"{(100 * below).normalize():f} %"
    # A tenth of the limit to either side of it; of a budget that is gone, twice what it allows and nearly all of it.
    less, more = (below * Decimal("0.9"), below * Decimal("1.1")) if below else (Decimal(-1), Decimal("0.01"))
    return _alert(
        slo,
        "InferenceBudgetLow",
        promql.both(left < below if below else left <= 0, enough, _known(spec, scale)),
        severity=Severity.PAGE,
        summary="{{ $value | humanizePercentage }} of the error budget of {{ $labels.slo }} is left.",
        description=(
            f"The fleet's policy wakes somebody below {rest} of a budget. More {wording.events(spec)} were bad in the "
            f"last {durations.render(spec.window_ns)} than leaves as much."
        ),
        cases=(
            _case(slo, share * (1 - less), fires=_AFTER, quiet=_BEFORE),
            *_given(
                slo,
                Budget(left=less, fires=True),
                Budget(left=more, fires=False),
                Budget(left=less, bad=_FEWEST, fires=True),
                Budget(left=less, bad=_FEWEST - 1, fires=False),
            ),
        ),
    )


def _forecast_window(spec: ObjectiveSpec) -> str:
    return next(leg for leg in legs(spec) if leg.tier == _FORECAST_TIER).long


def _given(slo: Slo, *budgets: Budget) -> Iterator[Case]:
    spec = slo.objective
    return budget_proofs.cases(slo, long=_forecast_window(spec), known_after_ns=_soon(spec), budgets=budgets)


def _soon(spec: ObjectiveSpec) -> int:
    # Whole rounds of the proofs: their tiles, a quarter of an hour apart, are looked at by an offset of this length.
    quarter = durations.parse(budget_proofs.EVERY)
    return max(int(SOON * spec.window_ns) // quarter * quarter, quarter)


def _known(spec: ObjectiveSpec, scale: TimeScale) -> Expr:
    """What is watched for a tenth of its period: of a service of yesterday nobody knows how the period will be."""
    tile = promql.select(recorded_slos.SLO_EVENTS_TILE, promql.equal(OBJECTIVE, spec.name))
    return promql.offset(tile, durations.render(scale.window(_soon(spec))))


def _case(
    slo: Slo,
    bad: Decimal,
    *,
    fires: tuple[str, ...] = (),
    quiet: tuple[str, ...] = (),
) -> Case:
    """Events of which the share *bad* is bad from the start, evenly, until it could fire."""
    soon, minute = _soon(slo.objective), durations.parse("1m")
    samples = soon // minute + 60
    rise = Decimal(budget_proofs.MANY) / samples
    good = (rise / bad * (1 - bad)).quantize(_EXACTLY)
    return Case(
        series=slo_series.inputs(
            slo, good=[Phase(samples + 1, good)], bad=[Phase(samples + 1, rise.quantize(_EXACTLY))]
        ),
        only=(promql.equal(SLO, slo.name),),
        about=slo_series.about(slo),
        fires=tuple(durations.render(soon + durations.parse(after)) for after in fires),
        quiet=tuple(durations.render(soon + durations.parse(after)) for after in quiet),
        step="1m",
        evaluation=budget_proofs.EVERY,
    )
