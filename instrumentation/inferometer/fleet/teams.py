"""Who answers for what: the teams of a fleet."""

from inferometer.fleet.model import Fleet
from inferometer.fleet.service import Service


def team_of(fleet: Fleet, service: Service) -> str | None:
    """The team of a service: its own, else the fleet's; None where the file names neither."""
    return service.team or fleet.team


def services_by_team(fleet: Fleet) -> dict[str, tuple[str, ...]]:
    """Names of services by the team that owns them, in the order of the file."""
    owned: dict[str, tuple[str, ...]] = {}
    for service in fleet.services:
        if (team := team_of(fleet, service)) is not None:
            owned[team] = (*owned.get(team, ()), service.name)
    return owned


def teams(fleet: Fleet) -> tuple[str, ...]:
    """Every team that the file names as an owner, sorted."""
    return tuple(sorted({*services_by_team(fleet), *filter(None, (fleet.team,))}))
