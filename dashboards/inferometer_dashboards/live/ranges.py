"""The stretch of time that a view shows, and its steps, from the parameters of a request."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final

SECOND: Final = 10**9
DEFAULT_SECONDS: Final = 900.0
MAX_SECONDS: Final = 7 * 86_400.0
"""Longer than a recorder keeps; a view has as many steps at most as fit the screen."""
_LATEST: Final = 1e10
STEPS: Final = ((60, 1), (300, 5), (900, 10), (3_600, 60), (3 * 3_600, 120), (6 * 3_600, 300), (86_400, 1_200))
"""Up to so many seconds, steps of so many: 60 to 144 of them, and multiples of what the recorder sums."""
_LONGEST_STEP: Final = 3_600
MAX_STEPS: Final = 2_000
BUSY: Final = 300_000
"""Requests from which on steps of seconds are too much to read one by one."""
MINUTE: Final = 60


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of time, in whole steps."""

    since_ns: int
    until_ns: int
    step_ns: int

    def coarser(self) -> "Range":
        """The same by minutes, where its steps are shorter."""
        step = max(self.step_ns, MINUTE * SECOND)
        return Range(self.since_ns // step * step, self.until_ns, step)


def asked(parameters: Mapping[str, str], now_ns: int) -> Range:
    """The range that ``since_seconds``, or ``from`` and ``to`` (seconds since the epoch), ask for.

    ``step_seconds`` asks for steps of that length, in whole seconds.

    Raises:
        ValueError: they are wrong; the message says what is right.
    """
    if "from" in parameters or "to" in parameters:
        begin, end = (_number(parameters, name, _LATEST) for name in ("from", "to"))
        if not begin < end:
            raise ValueError(f"from {begin:g} to {end:g}: an end after the begin is right")
    else:
        seconds = (
            _number(parameters, "since_seconds", MAX_SECONDS) if "since_seconds" in parameters else DEFAULT_SECONDS
        )
        end = now_ns / SECOND
        begin = end - max(seconds, 1.0)
    if end - begin > MAX_SECONDS:
        raise ValueError(f"{end - begin:g} seconds are asked for, up to {MAX_SECONDS:g} are right")
    step = _step(parameters, end - begin) * SECOND
    until = now_ns if "to" not in parameters else round(end * SECOND)
    return Range(int(begin * SECOND) // step * step, until, step)


def _step(parameters: Mapping[str, str], length: float) -> int:
    """Seconds of a step."""
    if "step_seconds" not in parameters:
        return next((step for most, step in STEPS if length <= most), _LONGEST_STEP)
    step = round(_number(parameters, "step_seconds", 86_400))
    if step < 1 or length / step > MAX_STEPS:
        raise ValueError(
            f"{length:g} seconds in steps of {step}: up to {MAX_STEPS:,} steps of a second at least are right"
        )
    return step


def _number(parameters: Mapping[str, str], name: str, most: float) -> float:
    text = parameters.get(name, "")
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not isfinite(number) or not 0 <= number <= most:
        raise ValueError(f"{name} is {text!r:.64}, a number of seconds from 0 to {most:g} is right")
    return number
