"""Checks who is told: every receiver, team and tenant that a route names is one of the file."""

from collections.abc import Iterable

from inferometer.errors import FleetError
from inferometer.fleet.document import Mapping, Value, at, wrong
from inferometer.fleet.model import Fleet
from inferometer.fleet.routing import OwnRoute
from inferometer.fleet.scalars import nearest
from inferometer.fleet.teams import teams


def check(fleet: Fleet, root: Mapping) -> None:
    """Check the routes.

    Raises:
        FleetError: a route names nobody, or somebody who is not in the file.
    """
    routes = fleet.routes
    for severity, name in (("page", routes.page), ("ticket", routes.ticket), ("heartbeat", routes.heartbeat)):
        _receiver(fleet, name, at(root, "routes", severity))
    _own(fleet, root, "teams", routes.teams, teams(fleet))
    _own(fleet, root, "tenants", routes.tenants, fleet.tenants.known if fleet.tenants else ())


def _own(fleet: Fleet, root: Mapping, kind: str, routes: Iterable[OwnRoute], known: tuple[str, ...]) -> None:
    for route in routes:
        place = at(root, "routes", kind, route.name)
        if route.name not in known:
            raise wrong(place, f"routes.{kind}: there is no {kind[:-1]} {route.name!r}", nearest(route.name, known))
        if route.page is None and route.ticket is None:
            raise wrong(place, f"routes.{kind}.{route.name} tells nobody", "write page: or ticket: with a receiver")
        for severity, name in (("page", route.page), ("ticket", route.ticket)):
            _receiver(fleet, name, at(root, "routes", kind, route.name, severity))


def _receiver(fleet: Fleet, name: str | None, place: Value) -> None:
    known = tuple(receiver.name for receiver in fleet.receivers)
    if name is not None and name not in known:
        raise FleetError(f"there is no receiver {name!r}", place.place, hint=nearest(name, known), width=len(name))
