"""An incident that is put into a history: ``20% errors for 1h``, ``30% slow for 20m at 2026-11-20T10:00``."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from inferometer.errors import InferometerError
from inferometer.fleet import durations
from inferometer.fleet.objective import TIMES, Sli
from inferometer_compose.backtest.counts import MINUTE, Counts

RIGHT: Final = (
    "write SHARE% errors|slow for DURATION [at MOMENT]: 20% errors for 1h, 30% slow for 20m at 2026-11-20T10:00"
)
_SECOND: Final = 10**9
_SHORTEST: Final = 60
_LONGEST: Final = 7 * 86_400
"""Seconds: beyond a week nobody waits for a page."""
_WRITTEN: Final = re.compile(
    r"\s*(?P<share>[0-9]+(?:\.[0-9]+)?)\s*%\s+(?P<kind>\S+)\s+for\s+(?P<length>\S+)(?:\s+at\s+(?P<moment>.+?))?\s*",
    re.ASCII,
)
_COUNTED: Final = {
    "errors": frozenset({Sli.AVAILABILITY, Sli.GOODPUT}),
    "slow": frozenset({*TIMES, Sli.GOODPUT}),
}


class Kind(StrEnum):
    """What goes wrong with a request."""

    ERRORS = "errors"
    SLOW = "slow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A share of requests that goes wrong for some time."""

    share: float
    kind: Kind
    seconds: int
    at: int | None = None
    """When it begins, seconds since the epoch; None: at many moments of the history, one after the other."""

    @property
    def text(self) -> str:
        """As it is written."""
        return f"{100 * self.share:g} % {self.kind.value} for {durations.render(self.seconds * _SECOND)}"


def parse(text: str, *, now: int) -> Incident:
    """The incident that a text describes.

    Args:
        text: as `RIGHT` says.
        now: what a time ago is counted from, seconds since the epoch.

    Raises:
        InferometerError: it describes none; the message says what would be right.
    """
    found = _WRITTEN.fullmatch(text)
    if not found:
        raise InferometerError(f"{text!r} is no incident: {RIGHT}")
    kinds = [kind.value for kind in Kind]
    if found["kind"] not in kinds:
        raise InferometerError(
            f"{found['kind']!r} in {text!r} is nothing that goes wrong; there are {', '.join(kinds)}"
        )
    share = float(found["share"]) / 100
    if not 0 < share <= 1:
        raise InferometerError(
            f"{found['share']}% in {text!r} is no share of requests: write more than 0%, at most 100%"
        )
    moment = found["moment"]
    return Incident(
        share=share,
        kind=Kind(found["kind"]),
        seconds=_length(found["length"], text),
        at=None if moment is None else _moment(moment, text, now),
    )


def _length(part: str, text: str) -> int:
    try:
        seconds = durations.parse(part) // _SECOND
    except ValueError as error:
        raise InferometerError(f"{part!r} in {text!r} is no duration: {error}") from error
    if not _SHORTEST <= seconds <= _LONGEST:
        raise InferometerError(f"{part} in {text!r} is too short or too long for an incident: write 1m to 7d")
    return seconds


def _moment(part: str, text: str, now: int) -> int:
    try:
        return now - durations.parse(part.removesuffix(" ago")) // _SECOND
    except ValueError:
        pass
    try:
        # Without an offset it is this machine's own time, as the user's clock on the wall has it.
        return int(datetime.fromisoformat(part).astimezone().timestamp())
    except (ValueError, OverflowError, OSError) as error:
        raise InferometerError(
            f"{part!r} in {text!r} is no moment: write 2026-11-20T10:00, or 3d for three days ago"
        ) from error


def counts_against(kind: Kind, sli: Sli) -> bool:
    """Whether what goes wrong is bad for what an objective measures."""
    return sli in _COUNTED[kind.value]


def strike(counts: Counts, incident: Incident, sli: Sli, at: int) -> Counts:
    """The history with an incident that begins at a moment (seconds since the epoch).

    It takes its share of the good requests of each of its minutes. Where what goes wrong is not what the objective
    measures they stop counting, as a failed answer does for latency; slowness leaves availability as it is.
    """
    first = (at - counts.begin) // MINUTE
    last = first + -(-incident.seconds // MINUTE)
    hit = slice(max(first, 0), max(min(last, counts.minutes), 0))
    events, bad = counts.events.copy(), counts.bad.copy()
    struck = incident.share * (events[hit] - bad[hit])
    if counts_against(incident.kind, sli):
        bad[hit] += struck
    elif incident.kind is Kind.ERRORS and sli in TIMES:
        events[hit] -= struck
    return replace(counts, events=events, bad=bad)
