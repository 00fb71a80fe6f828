"""Times in which nobody is told, and as Alertmanager reads them: no interval of its crosses midnight."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Final

from inferometer.fleet import scalars, texts, times
from inferometer.fleet.schema import Key, Listing
from inferometer.fleet.times import MINUTES_PER_DAY


class Weekday(StrEnum):
    """Days of the week, as Alertmanager names them."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """A time in which nobody is told; what still fires when it ends is told then."""

    name: str
    weekdays: Annotated[
        tuple[Weekday, ...],
        Key(Listing(scalars.choice(Weekday, "day of the week"), unique=True), "Days on which it begins; else each."),
    ] = ()
    dates: Annotated[
        tuple[date, ...], Key(Listing(times.DATE, unique=True), "Dates on which it begins, instead of weekdays.")
    ] = ()
    start: Annotated[int, Key(times.TIME, "When it begins: 22:00.", name="from")]
    end: Annotated[int, Key(times.TIME, "When it ends: 02:00 is the next day, where it began at 22:00.", name="to")]
    timezone: Annotated[str, Key(times.TIMEZONE, "Zone of these times; UTC unless said otherwise.")] = "UTC"
    services: Annotated[
        tuple[str, ...], Key(Listing(texts.TEXT, unique=True), "Services that are worked on; all unless said.")
    ] = ()


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
