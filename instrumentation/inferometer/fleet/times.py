"""Durations, dates and times of day, as fleet.yaml writes them."""

import re
from dataclasses import replace
from datetime import date
from difflib import get_close_matches
from functools import partial
from typing import Final
from zoneinfo import available_timezones

from inferometer.fleet import durations
from inferometer.fleet.scalars import Kind, WrongValueError


def _duration(text: str, *, likely: str = "s") -> int:
    try:
        nanoseconds = durations.parse(text, likely=likely)
    except ValueError as error:
        raise WrongValueError(f"{text!r} is no duration", str(error)) from error
    if not nanoseconds:
        raise WrongValueError("a duration of zero means nothing here", "write 250ms or 30s, for instance")
    return nanoseconds


DURATION: Final = Kind(
    name="duration",
    # `30` is a number and `2026-01-01` a date to YAML: they are read here, to say which unit is missing.
    written_as=("text", "number"),
    read=_duration,
    json={"type": "string", "pattern": f"^(?=.){durations.PATTERN}$"},
    example="30s",
)

LATENCY: Final = replace(DURATION, read=partial(_duration, likely="ms"))
"""A duration that somebody waits for an answer: 250 without a unit means milliseconds."""


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise WrongValueError(f"{text!r} is no date", "write year-month-day: 2026-10-01") from error


DATE: Final = Kind(
    name="date",
    written_as=("date", "text"),
    read=_date,
    json={"type": "string", "format": "date"},
    example="2026-10-01",
)

_TIME = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])", re.ASCII)
_MINUTES_PER_HOUR = 60
MINUTES_PER_DAY: Final = 24 * _MINUTES_PER_HOUR


def _time(text: str) -> int:
    found = _TIME.fullmatch(text)
    minutes = int(found[1]) * _MINUTES_PER_HOUR + int(found[2]) if found else MINUTES_PER_DAY + 1
    if minutes > MINUTES_PER_DAY:
        raise WrongValueError(f"{text!r} is no time of day", "write hours and minutes, 00:00 to 24:00: 22:30")
    return minutes


TIME: Final = Kind(
    name="time of day",
    # Minutes since midnight. YAML readers of another version take 22:30 for a number: quoted it is text for all.
    written_as=("text", "number"),
    read=_time,
    json={"type": "string", "pattern": f"^{_TIME.pattern}$"},
    example='"22:30"',
)


def _timezone(text: str) -> str:
    known = available_timezones()
    # Without a data base of zones on this host, Alertmanager's own has the last word.
    if (known and text not in known) or not re.fullmatch(r"[A-Za-z0-9_+/-]+", text):
        raise WrongValueError(f"{text!r} is no time zone", _nearest_zone(text, tuple(sorted(known))))
    return text


def _nearest_zone(text: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(text, known, n=1)
    return f"did you mean {close[0]!r}?" if close else "write a name of the IANA data base: Europe/Berlin"


TIMEZONE: Final = Kind(
    name="time zone",
    written_as=("text",),
    read=_timezone,
    json={"type": "string", "pattern": "^[A-Za-z0-9_+/-]+$"},
    example="Europe/Berlin",
)
