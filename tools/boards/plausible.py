"""Between what and what a value of a unit may lie, whatever a fleet does: a factor of a thousand is found."""

from collections.abc import Iterator
from math import isinf, isnan
from typing import Final

from boards.targets import Run

_DAY: Final = 86_400.0
RANGES: Final[dict[str, tuple[float, float]]] = {
    "s": (0.0, 3_600.0),
    "ms": (0.0, 3_600_000.0),
    "percentunit": (0.0, 1.0 + 1e-9),
    "reqps": (0.0, 1_000.0),
    "cps": (0.0, 1_000.0),
    "suffix: tok/s": (0.0, 100_000.0),
    "currencyUSD": (0.0, 10_000.0),
    "bytes": (0.0, 4e12),
    "decbytes": (0.0, 4e12),
    "Bps": (0.0, 1e12),
    "binBps": (0.0, 1e12),
    "watt": (0.0, 4_000.0),
    "joule": (0.0, 1e7),
    "celsius": (0.0, 110.0),
    "hertz": (1e6, 6e9),
    "dtdurations": (0.0, 4_000 * _DAY),
    "dateTimeAsIso": (1.5e12, 4e12),
    "short": (0.0, 1e7),
    "none": (0.0, 10_000.0),
    "": (0.0, 1e7),
}
"""By Grafana's unit; a percentage is stored as a share."""
BEYOND: Final = frozenset(
    {
        # An overdrawn budget is below nothing, and what ate it is a multiple of it.
        "Error budget left",
        "Error budget left, over time",
        "Objectives",
        "By version, region and class",
        # What was billed may be less than what was counted.
        "Billed more than counted, by day",
        # A budget of money may be overspent by any factor.
        "What a month will come to",
    }
)
"""Panels whose values are right beyond the range of their unit."""


def wrong(run: Run) -> Iterator[str]:
    """What is not plausible about the values of a query."""
    values = [value for one in run.found for value in one.values]
    strange = sum(isnan(value) or isinf(value) for value in values)
    if strange:
        yield f"{strange} of {len(values)} values are no numbers"
    if run.target.unit not in RANGES:
        yield f"nobody said what is plausible in {run.target.unit!r}"
        return
    low, high = RANGES[run.target.unit]
    finite = [value for value in values if not (isnan(value) or isinf(value))]
    if finite and run.target.panel not in BEYOND and not (low <= min(finite) and max(finite) <= high):
        yield f"from {min(finite):g} to {max(finite):g}, between {low:g} and {high:g} is plausible"
