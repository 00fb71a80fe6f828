"""Durations as Prometheus writes them: ``250ms``, ``1h30m``, ``30d``; in nanoseconds inside."""

import re
from typing import Final

UNITS: Final = {
    "y": 365 * 86_400 * 10**9,
    "w": 7 * 86_400 * 10**9,
    "d": 86_400 * 10**9,
    "h": 3_600 * 10**9,
    "m": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
}
"""Nanoseconds per unit, largest first: the order in which a duration must name them."""

PATTERN: Final = "(?:[0-9]+y)?(?:[0-9]+w)?(?:[0-9]+d)?(?:[0-9]+h)?(?:[0-9]+m)?(?:[0-9]+s)?(?:[0-9]+ms)?"
_DURATION = re.compile(PATTERN, re.ASCII)
_PART = re.compile(r"([0-9]+)(ms|[ywdhms])", re.ASCII)
_LEFT_OUT = re.compile(r"(.*[a-z])?([0-9]+)", re.ASCII)
# Weeks and years are read but never written: 30d is what people compare with, not 4w2d.
_WRITTEN = ("d", "h", "m", "s", "ms")


def parse(text: str, *, likely: str = "s") -> int:
    """Nanoseconds of a duration.

    Args:
        text: The duration.
        likely: The unit that a number without one most likely means.

    Raises:
        ValueError: the text is no duration; the message says what would be right.
    """
    if text and _DURATION.fullmatch(text):
        return sum(int(count) * UNITS[unit] for count, unit in _PART.findall(text))
    if left := _LEFT_OUT.fullmatch(text):
        before, number = left[1] or "", left[2]
        unit = _unit_after(before, likely)
        raise ValueError(f"{number} has no unit; write {before}{number}{unit}, for instance")
    raise ValueError("write a whole number and a unit: 250ms, 30s, 5m, 1h30m, 30d")


def _unit_after(text: str, first: str) -> str:
    """The unit that most likely follows those already written; *first* where none is."""
    last = _PART.findall(text)
    order = list(UNITS)
    return order[min(order.index(last[-1][1]) + 1, len(order) - 1)] if last else first


def render(nanoseconds: int) -> str:
    """A duration in days and less, as Prometheus reads it; parts of a millisecond are cut off.

    Raises:
        ValueError: the duration is negative.
    """
    if nanoseconds < 0:
        raise ValueError(f"a duration cannot be negative: {nanoseconds} ns")
    parts = []
    for unit in _WRITTEN:
        count, nanoseconds = divmod(nanoseconds, UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def divide(nanoseconds: int, by: int, *, floor: int) -> int:
    """A duration divided by a time scale, in whole milliseconds, not below a floor (all in nanoseconds)."""
    scaled = nanoseconds // by
    return max(scaled - scaled % UNITS["ms"], floor)
