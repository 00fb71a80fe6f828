"""The p99 of each model over the time that is shown, beside its other figures: few points, so that a row holds them."""

from typing import Any, Final

from inferometer_dashboards.live.answers import rounded
from inferometer_dashboards.live.ranges import Range
from inferometer_dashboards.live.source import Table
from inferometer_dashboards.sql import fleet

MAX_POINTS: Final = 61
"""Sixty steps and the one that has just begun."""
MAX_MODELS: Final = 200
"""Those with the highest tails: of a larger fleet the rest has figures alone."""
NAME: Final = "sparklines"
STATEMENT: Final = fleet.tails(MAX_POINTS, MAX_MODELS)


def sparklines(table: Table, shown: Range) -> list[dict[str, Any]]:
    """Each model with its ``values`` in seconds, oldest first; null where no request ended."""
    length = -(-(shown.until_ns - shown.since_ns) // shown.step_ns)
    found: dict[tuple[str, str], list[float | None]] = {}
    for service, model, steps, part, seconds in table[1]:
        count = -(-length // steps)
        if 0 <= part < count:
            found.setdefault((service or "", model or ""), [None] * count)[part] = rounded(seconds)
    return [{"service": service, "model": model, "values": values} for (service, model), values in found.items()]
