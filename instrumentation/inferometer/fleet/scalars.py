"""The kinds of values that fleet.yaml holds: how each is read, what would be right, and its JSON Schema."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from typing import Final, Generic, TypeVar
from zoneinfo import available_timezones

from inferometer.fleet import durations

T = TypeVar("T")
Json = dict[str, object]


class WrongValueError(ValueError):
    """A value is not what it should be; ``hint`` says what would be right."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[T]):
    """A kind of value: what it is called, which YAML kinds it is written as, and how its text is read."""

    name: str
    written_as: tuple[str, ...]
    read: Callable[[str], T]
    json: Json = field(default_factory=dict)
    example: str = ""


def nearest(word: str, known: tuple[str, ...]) -> str:
    """A hint: the known word that is meant, or all of them."""
    if close := get_close_matches(word, known, n=1):
        return f"did you mean {close[0]!r}? known: {', '.join(known)}"
    return f"known: {', '.join(known) if known else 'none yet'}"


def choice(enum: type[StrEnum], name: str) -> Kind[StrEnum]:
    """One word of a closed set."""
    words = tuple(member.value for member in enum)

    def read(text: str) -> StrEnum:
        if text not in words:
            raise WrongValueError(f"{text!r} is no {name}", nearest(text, words))
        return enum(text)

    return Kind(name=name, written_as=("text",), read=read, json={"enum": list(words)}, example=words[0])


def _duration(text: str) -> int:
    try:
        nanoseconds = durations.parse(text)
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

LOWEST_TARGET = Decimal(90)
HIGHEST_TARGET = Decimal("99.99")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)


def _decimal(text: str, name: str, example: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise WrongValueError(f"{text!r} is no {name}", f"write a plain number: {example}")
    return Decimal(text)


def _percent(text: str) -> Decimal:
    if text.endswith("%"):
        raise WrongValueError(f"{text!r} carries a unit", f"targets are in percent already: {text[:-1].strip()}")
    target = _decimal(text, "percentage", "99.9")
    if target < 1:
        as_percent = f"{(target * 100).normalize():f}"
        raise WrongValueError(f"target {text} looks like a ratio", f"targets are in percent: {as_percent}")
    if target >= 100:  # noqa: PLR2004 - 100 percent
        raise WrongValueError(
            f"target {text} % leaves no budget: one bad request would break it for good",
            f"write {LOWEST_TARGET} to {HIGHEST_TARGET}",
        )
    if not LOWEST_TARGET <= target <= HIGHEST_TARGET:
        raise WrongValueError(
            f"target {text} % is outside of what burn-rate alerts can watch",
            f"write {LOWEST_TARGET} to {HIGHEST_TARGET}",
        )
    return target


PERCENT: Final = Kind(
    name="percentage",
    written_as=("number", "text"),
    read=_percent,
    json={"type": "number", "minimum": float(LOWEST_TARGET), "maximum": float(HIGHEST_TARGET)},
    example="99.9",
)


MOST_USD: Final = 10**9
"""Dollars of one device: more is a slip of the pen, and would not fit the ledger's integers for long."""


def _usd(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise WrongValueError(f"{text!r} is no amount of money", "write US dollars as a plain number: 2.99")
    if Decimal(text) > MOST_USD:
        raise WrongValueError(f"{text} US dollars is more than any device costs", f"write at most {MOST_USD}")
    return Decimal(text)


USD: Final = Kind(
    name="amount of US dollars",
    written_as=("number", "text"),
    read=_usd,
    json={"type": "number", "minimum": 0, "maximum": MOST_USD},
    example="2.99",
)


def _budget_usd(text: str) -> Decimal:
    amount = _usd(text)
    if not amount:
        raise WrongValueError("a budget of nothing is always spent", "write US dollars as a plain number: 250")
    return amount


BUDGET_USD: Final = Kind(
    name="amount of US dollars",
    written_as=("number", "text"),
    read=_budget_usd,
    json={"type": "number", "exclusiveMinimum": 0, "maximum": MOST_USD},
    example="250",
)


def between(low: str, high: str, *, name: str, example: str) -> Kind[Decimal]:
    """A plain number from *low* to *high*, both included."""
    lowest, highest = Decimal(low), Decimal(high)

    def read(text: str) -> Decimal:
        value = _decimal(text, name, example)
        if not lowest <= value <= highest:
            raise WrongValueError(f"{text} is outside of {low} to {high}", f"write a {name}: {example}")
        return value

    json: Json = {"type": "number", "minimum": float(lowest), "maximum": float(highest)}
    return Kind(name=name, written_as=("number", "text"), read=read, json=json, example=example)


SHARE: Final = between("0", "100", name="percentage", example="10")
YEARS: Final = between("0.1", "30", name="number of years", example="4")
WATTS: Final = between("0", "200000", name="number of watts", example="700")
PUE: Final = between("1", "5", name="power usage effectiveness", example="1.3")
GIGABYTES: Final = between("1", "10000", name="number of gigabytes", example="80")
_MOST_GPUS = 128


def _gpus(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_GPUS:
        raise WrongValueError(f"{text!r} is no number of GPUs", f"write 1 to {_MOST_GPUS}")
    return int(text)


GPUS: Final = Kind(
    name="number of GPUs",
    written_as=("number",),
    read=_gpus,
    json={"type": "integer", "minimum": 1, "maximum": _MOST_GPUS},
    example="8",
)


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

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)


def _slug(text: str) -> str:
    if not _SLUG.fullmatch(text):
        raise WrongValueError(
            f"{text!r} is no name of this kind",
            "use lower-case letters, digits and hyphens, at most 63 of them: first-result",
        )
    return text


SLUG: Final = Kind(
    name="name",
    written_as=("text",),
    read=_slug,
    json={"type": "string", "pattern": f"^{_SLUG.pattern}$"},
    example="first-result",
)

LONGEST_TEXT = 200


def _text(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_TEXT or not text.isprintable():
        raise WrongValueError(
            "the text is empty, too long or holds control characters",
            f"write 1 to {LONGEST_TEXT} printable characters",
        )
    return text


TEXT: Final = Kind(
    name="text",
    written_as=("text",),
    read=_text,
    json={"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT},
    example="minilm",
)


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+[^\s]*", text):
        raise WrongValueError(f"{text!r} is no address", "write http:// or https:// and a host")
    return text.rstrip("/")


URL: Final = Kind(
    name="address",
    written_as=("text",),
    read=_url,
    json={"type": "string", "pattern": "^https?://"},
    example="http://127.0.0.1:3000",
)


def _header(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]+", text):
        raise WrongValueError(f"{text!r} is no name of an HTTP header", "write x-tenant, for instance")
    return text.lower()


HEADER: Final = Kind(
    name="name of an HTTP header",
    written_as=("text",),
    read=_header,
    json={"type": "string", "pattern": "^[A-Za-z0-9-]+$"},
    example="x-tenant",
)


def _file(text: str) -> str:
    if not text.startswith("/") or not text.isprintable():
        raise WrongValueError(f"{text!r} is no absolute path", "write /run/secrets/slack, for instance")
    return text


FILE: Final = Kind(
    name="absolute path of a file",
    written_as=("text",),
    read=_file,
    json={"type": "string", "pattern": "^/"},
    example="/run/secrets/slack",
)


_MAIL = re.compile(r"[^\s@<>,;]+@[A-Za-z0-9.-]+")


def _mail(text: str) -> str:
    if not _MAIL.fullmatch(text) or not text.isprintable():
        raise WrongValueError(f"{text!r} is no mail address", "write one address: oncall@example.com")
    return text


MAIL: Final = Kind(
    name="mail address",
    written_as=("text",),
    read=_mail,
    json={"type": "string", "pattern": "^[^\\s@<>,;]+@[A-Za-z0-9.-]+$"},
    example="oncall@example.com",
)


def _host_port(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not re.fullmatch(r"[A-Za-z0-9.-]+", host) or not port.isdecimal() or not 0 < int(port) <= 0xFFFF:  # noqa: PLR2004 - the highest port
        raise WrongValueError(f"{text!r} is no host with a port", "write smtp.example.com:587, for instance")
    return text


HOST_PORT: Final = Kind(
    name="host with a port",
    written_as=("text",),
    read=_host_port,
    json={"type": "string", "pattern": "^[A-Za-z0-9.-]+:[0-9]+$"},
    example="smtp.example.com:587",
)


def _version(text: str) -> int:
    if text != "1":
        raise WrongValueError(f"version {text} of this file is not known", "write `version: 1`")
    return 1


VERSION: Final = Kind(name="version", written_as=("number",), read=_version, json={"const": 1}, example="1")
