"""How much of an error budget a run has left."""

from collections.abc import Iterable

from inferometer_compose.screens.figures import Objective


def worst_left(objectives: Iterable[Objective]) -> float | None:
    """What is left of the budget that is worst off, 0-1; unknown before any event."""
    spent = [objective.spent_ratio for objective in objectives if objective.spent_ratio is not None]
    return max(0.0, 1 - max(spent)) if spent else None
