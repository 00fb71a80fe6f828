"""The error-budget policy as series: gates and boards read it where the rules are, and need no copy of fleet.yaml."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.fleet import summary
from inferometer.fleet.budget_policy import Action, BudgetStep
from inferometer.fleet.model import Fleet
from inferometer_alerts import recorded_slos
from inferometer_alerts.rule import Expect, Group, Reading, Rule
from inferometer_alerts.rule_labels import ACTION

_INTERVAL: Final = "1m"


def group(fleet: Fleet) -> Group:
    """One series per action: the rest of a budget from which on it is taken."""
    steps = tuple(_earliest(summary.thresholds(fleet).policy))
    return Group(
        name="policy",
        interval=_INTERVAL,
        rules=tuple(
            Rule(
                series=recorded_slos.BUDGET_POLICY,
                expr=promql.scalar(step.below / 100),
                labels={ACTION.name: step.do.value},
            )
            for step in steps
        ),
        readings=(
            Reading(
                name="policy",
                series={},
                expect=(
                    Expect(
                        series=recorded_slos.BUDGET_POLICY,
                        at="5m",
                        elements=tuple(({ACTION.name: step.do.value}, step.below / 100) for step in steps),
                    ),
                ),
            ),
        ),
    )


def _earliest(policy: tuple[BudgetStep, ...]) -> Iterator[BudgetStep]:
    """Of each action the step that comes first: with what it says, a later one of the same says nothing new."""
    for action in Action:
        below: list[Decimal] = [step.below for step in policy if step.do is action]
        if below:
            yield BudgetStep(below=max(below), do=action)
