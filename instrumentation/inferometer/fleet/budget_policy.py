"""What is done as an error budget shrinks: a policy as data. Standard library only: sidecars read it, too."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final


class Action(StrEnum):
    """What is done; the later ones are stricter."""

    SLOW_ROLLOUT = "slow-rollout"
    """Changes go to few at first, and are watched."""
    PAGE = "page"
    """Somebody is woken."""
    FREEZE = "freeze"
    """Nothing is changed but what brings the budget back: `inferometer slo gate` is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStep:
    """From which rest of a budget on something is done."""

    below: Decimal
    """Per cent of the budget that are left: with less of it, or with nothing, it is done."""
    do: Action

    def is_due(self, left: float) -> bool:
        """Whether it is done with so much of the budget left (1 is all of it, below 0 is overdrawn)."""
        return left <= 0 or 100 * left < self.below


DEFAULT: Final = (BudgetStep(below=Decimal(0), do=Action.FREEZE),)
"""Where fleet.yaml says nothing: a budget that is gone closes the gate."""


def due(policy: Iterable[BudgetStep], left: float) -> tuple[BudgetStep, ...]:
    """What is to be done with so much of a budget left, the strictest first."""
    order = list(Action)
    return tuple(sorted((step for step in policy if step.is_due(left)), key=lambda step: -order.index(step.do)))
