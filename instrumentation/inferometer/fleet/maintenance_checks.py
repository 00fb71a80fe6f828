"""Checks times of maintenance: each has a length and one kind of days, and is about services of the file."""

from inferometer.fleet.document import Mapping, at, wrong
from inferometer.fleet.model import Fleet
from inferometer.fleet.scalars import nearest
from inferometer.fleet.times import MINUTES_PER_DAY


def check(fleet: Fleet, root: Mapping) -> None:
    """Check the times of maintenance.

    Raises:
        FleetError: one names a service that is not in the file, both weekdays and dates, or no time at all.
    """
    known = tuple(service.name for service in fleet.services)
    for one in fleet.maintenance:
        place = at(root, "maintenance", one.name)
        what = f"maintenance.{one.name}"
        if one.weekdays and one.dates:
            raise wrong(place, f"{what} has weekdays and dates", "write one of the two, or two times of maintenance")
        if one.start == one.end or (one.start, one.end) == (MINUTES_PER_DAY, 0):
            raise wrong(
                place,
                f"{what} begins when it ends",
                "write `from: 00:00` and `to: 24:00` for whole days",
            )
        for service in one.services:
            if service not in known:
                raise wrong(place, f"{what}: there is no service {service!r}", nearest(service, known))
