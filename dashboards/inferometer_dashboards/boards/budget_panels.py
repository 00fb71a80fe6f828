"""Panels of error budgets that several boards have: what is left, how fast it burns, and how long it lasts."""

from functools import reduce
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import SLO
from inferometer.fleet import durations
from inferometer.fleet.budget_policy import Action
from inferometer.fleet.model import Fleet
from inferometer.fleet.slos import slos
from inferometer.promql import Expr, Matcher
from inferometer_alerts import recorded_slos
from inferometer_alerts.policy import legs
from inferometer_dashboards.panels import Colour, Kind, Panel, Query, Show, Step, named
from inferometer_dashboards.sql import budgets

FAST: Final = "fast"
SLOW: Final = "slow"
_USUAL: Final = {FAST: "1h", SLOW: "1d"}
"""Windows of a fleet whose objectives are not known: the live page's."""
_LITTLE: Final = 0.25
"""Rest of a budget that is shown as little, where no policy of fleet.yaml says when."""
ANY_IS_BAD: Final = (Step(1.0, Colour.ACT),)
ANY_IS_WATCHED: Final = (Step(1.0, Colour.WATCH),)
NO_OBJECTIVES: Final = "no objective in fleet.yaml is about what is chosen"


def windows(fleet: Fleet, tier: str) -> tuple[str, ...]:
    """The long windows in which a tier's alerts look: each objective has its own."""
    watched = {leg.long_ns for slo in slos(fleet) for leg in legs(slo.objective) if leg.tier == tier}
    return tuple(durations.render(ns) for ns in sorted(watched))


def burn(fleet: Fleet, tier: str, *matchers: Matcher) -> Expr:
    """The burn rate of each objective in its own window of a tier."""
    known = windows(fleet, tier) or (_USUAL[tier],)
    each: list[Expr] = [promql.select(recorded_slos.burn_rate(window), *matchers) for window in known]
    return reduce(promql.either, each[1:], each[0])


def left_steps(fleet: Fleet) -> tuple[Step, ...]:
    """From which rest of a budget on it is watched, and well: where the policy of fleet.yaml acts."""
    freeze = max((step.below for step in fleet.policy if step.do is Action.FREEZE), default=0)
    acts = max((step.below for step in fleet.policy), default=0)
    well = float(acts) / 100 if acts > freeze else max(_LITTLE, float(freeze) / 100)
    steps = (Step(float(freeze) / 100, Colour.WATCH), Step(well, Colour.GOOD))
    return steps if steps[0].at < well else steps[1:]


def budget_left(fleet: Fleet, *matchers: Matcher) -> Panel:
    """What is left of each budget, now."""
    return Panel(
        key="budget-left",
        title="Error budget left",
        description=(
            "Share of each objective's error budget that is left of its period; below 0 the promise is broken. "
            "Low and falling: look at the burn rate beside it, then at that model's latency board. Low and steady: "
            "something burned it earlier; put risky releases off until the period has moved on."
        ),
        unit=Show.RATIO,
        kind=Kind.BARS,
        sql=budgets.BUDGET_LEFT,
        promql=(Query(expr=promql.select(recorded_slos.SLO_BUDGET_LEFT, *matchers), legend=named(SLO), instant=True),),
        steps=left_steps(fleet),
        maximum=1.0,
        empty=NO_OBJECTIVES,
    )


def burn_rates(fleet: Fleet, *matchers: Matcher) -> Panel:
    """How fast budgets burn: a window that shows what breaks now, and one that shows what leaks."""
    shown = [window for tier in (FAST, SLOW) for window in windows(fleet, tier) or (_USUAL[tier],)]
    return Panel(
        key="burn-rate",
        title="How fast budgets burn",
        description=(
            "Bad events as a multiple of what the objective allows: at 1 the budget lasts exactly its period. Far "
            "above 1 for the shorter window: something is broken now, the alert's runbook says what to do. A little "
            "above 1 for days: plan the work before the budget is gone."
        ),
        unit=Show.MULTIPLE,
        kind=Kind.LINES,
        sql=budgets.BURN_RATE,
        promql=tuple(
            Query(expr=promql.select(recorded_slos.burn_rate(window), *matchers), legend=named(SLO, then=window))
            for window in dict.fromkeys(shown)
        ),
        steps=(Step(1.0, Colour.WATCH),),
        empty=NO_OBJECTIVES,
    )
