"""Stretches of time as people type them: ``24h..12h``, ``12h..now``, ``2026-11-22T10:00..2026-11-22T12:00``."""

from datetime import datetime
from typing import Final

from inferometer.errors import InferometerError
from inferometer.fleet import durations
from inferometer_exporters.comparison.question import Window

RIGHT: Final = (
    "FROM..TO is right, each a time ago (24h), now, or a moment (2026-11-22T10:00, 2026-11-22T10:00Z): 24h..12h"
)
_SECOND: Final = 10**9


def window(text: str, *, now_ns: int) -> Window:
    """The window that a text names; one end alone reaches until now.

    Args:
        text: ``FROM..TO``, or ``FROM``.
        now_ns: what ``now`` and times ago are counted from, ns since the epoch.

    Raises:
        InferometerError: it names none; the message says what is right.
    """
    begin, dots, end = text.partition("..")
    found = Window(_moment(begin, text, now_ns), _moment(end if dots else "now", text, now_ns))
    if found.begin_ns >= found.end_ns:
        raise InferometerError(f"{text!r} ends before it begins: {RIGHT}")
    return found


def _moment(part: str, text: str, now_ns: int) -> int:
    part = part.strip()
    if part == "now":
        return now_ns
    try:
        return now_ns - durations.parse(part)
    except ValueError:
        pass
    try:
        # Without an offset it is this machine's own time, as the user's clock on the wall has it.
        moment = datetime.fromisoformat(part).astimezone()
    except (ValueError, OverflowError, OSError) as error:
        raise InferometerError(f"{part!r} in {text!r} is no time: {RIGHT}") from error
    return int(moment.timestamp() * 1_000_000) * 1_000
