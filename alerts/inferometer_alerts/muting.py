"""Times of maintenance, as Alertmanager's time intervals."""

from typing import Final

from inferometer.fleet.maintenance import Interval, Maintenance, intervals
from inferometer.fleet.model import Fleet
from inferometer_alerts.yaml_text import Yaml

_MINUTES: Final = 60


def time_intervals(fleet: Fleet) -> list[Yaml]:
    """``time_intervals`` of alertmanager.yml."""
    return [
        {"name": one.name, "time_intervals": [_interval(one, part) for part in intervals(one)]}
        for one in fleet.maintenance
    ]


def _interval(maintenance: Maintenance, part: Interval) -> Yaml:
    written: dict[str, Yaml] = {
        "times": [{"start_time": _clock(part.start), "end_time": _clock(part.end)}],
        "location": maintenance.timezone,
    }
    if part.weekdays:
        written["weekdays"] = [weekday.value for weekday in part.weekdays]
    if part.day is not None:
        written["years"] = [str(part.day.year)]
        written["months"] = [str(part.day.month)]
        written["days_of_month"] = [str(part.day.day)]
    return written


def _clock(minutes: int) -> str:
    return f"{minutes // _MINUTES:02}:{minutes % _MINUTES:02}"


def of_everything(fleet: Fleet) -> list[str]:
    """Names of those in which nobody is told of anything."""
    return [one.name for one in fleet.maintenance if not one.services]


def of_services(fleet: Fleet) -> dict[str, list[str]]:
    """Names of those in which nobody is told of a service, those of everything included."""
    named = dict.fromkeys(service for one in fleet.maintenance for service in one.services)
    return {
        service: [one.name for one in fleet.maintenance if not one.services or service in one.services]
        for service in named
    }
