"""What may be spent: budgets of money, in US dollars an hour."""

from decimal import Decimal
from typing import Final

from inferometer.fleet.document import Mapping, at, wrong
from inferometer.fleet.model import CostBudget, Fleet
from inferometer.fleet.scalars import nearest
from inferometer.fleet.teams import teams

HOURS_PER_DAY: Final = 24
HOURS_PER_MONTH: Final = 730
"""A twelfth of 365 days: what providers take for a month in their prices."""


def usd_per_hour(budget: CostBudget) -> Decimal:
    """US dollars an hour that use up the budget exactly."""
    if budget.usd_per_day is not None:
        return budget.usd_per_day / HOURS_PER_DAY
    return (budget.usd_per_month or Decimal(0)) / HOURS_PER_MONTH


def check(fleet: Fleet, root: Mapping) -> None:
    """Check the budgets.

    Raises:
        FleetError: one is of two things at once, or of something that is not in the file.
    """
    known = {
        "service": tuple(service.name for service in fleet.services),
        "team": teams(fleet),
        "tenant": fleet.tenants.known if fleet.tenants else (),
    }
    for budget in fleet.budgets:
        place = at(root, "budgets", budget.name)
        of = {kind: name for kind in known if (name := getattr(budget, kind)) is not None}
        if len(of) > 1:
            raise wrong(
                place, f"budgets.{budget.name} is of {' and '.join(of)}", "write one of them, or one budget for each"
            )
        for kind, name in of.items():
            if name not in known[kind]:
                place = at(root, "budgets", budget.name, kind)
                raise wrong(place, f"budgets.{budget.name}: there is no {kind} {name!r}", nearest(name, known[kind]))
