"""How much of an error budget a run has left."""

from collections.abc import Iterable
from itertools import chain

from inferometer_compose.screens.figures import Objective


def worst_left(*told: Iterable[Objective]) -> float | None:
    """What is left of the budget that is worst off, whoever tells of it, 0-1; unknown before any event."""
    spent = [objective.spent_ratio for objective in chain(*told) if objective.spent_ratio is not None]
    return max(0.0, 1 - max(spent)) if spent else None
