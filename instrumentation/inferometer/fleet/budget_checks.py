"""Checks budgets of money: each is of one thing, which is in the file."""

from inferometer.fleet.document import Mapping, at, wrong
from inferometer.fleet.model import Fleet
from inferometer.fleet.scalars import nearest
from inferometer.fleet.teams import teams


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
