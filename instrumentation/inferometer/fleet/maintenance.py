"""Times in which nobody is told, as Alertmanager reads them: no interval of its crosses midnight."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from inferometer.fleet.document import Mapping, at, wrong
from inferometer.fleet.model import Fleet, Maintenance, Weekday
from inferometer.fleet.scalars import MINUTES_PER_DAY, nearest

_WEEK: Final = tuple(Weekday)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A part of a day; every day where neither weekdays nor a date are named."""

    start: int
    """Minutes since midnight."""
    end: int
    """Minutes since midnight, later than `start`; 1440 is the next midnight."""
    weekdays: tuple[Weekday, ...] = ()
    day: date | None = None


def intervals(maintenance: Maintenance) -> Iterator[Interval]:
    """The intervals of a maintenance, each within one day: what runs past midnight goes on with the next day."""
    days: tuple[date | None, ...] = maintenance.dates or (None,)
    for day in days:
        if maintenance.start < maintenance.end:
            yield Interval(start=maintenance.start, end=maintenance.end, weekdays=maintenance.weekdays, day=day)
            continue
        if maintenance.start < MINUTES_PER_DAY:
            yield Interval(start=maintenance.start, end=MINUTES_PER_DAY, weekdays=maintenance.weekdays, day=day)
        if maintenance.end > 0:
            yield Interval(
                start=0,
                end=maintenance.end,
                weekdays=tuple(_next(weekday) for weekday in maintenance.weekdays),
                day=None if day is None else day + timedelta(days=1),
            )


def _next(weekday: Weekday) -> Weekday:
    return _WEEK[(_WEEK.index(weekday) + 1) % len(_WEEK)]


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
