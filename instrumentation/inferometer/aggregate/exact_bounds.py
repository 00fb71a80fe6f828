"""Boundaries that histograms must have: who counts what is slower than a promise must know exactly where that is."""

from typing import Final

from inferometer.catalog import requests
from inferometer.catalog.model import Series
from inferometer.fleet.objective import Limit, Sli
from inferometer.fleet.thresholds import Thresholds

_HISTOGRAMS: Final[dict[Sli, Series]] = {
    Sli.LATENCY: requests.REQUEST_DURATION,
    Sli.TIME_TO_FIRST_CHUNK: requests.TIME_TO_FIRST_CHUNK,
    Sli.TIME_TO_FIRST_TOKEN: requests.TIME_TO_FIRST_TOKEN,
    Sli.TIME_PER_OUTPUT_TOKEN: requests.TIME_PER_OUTPUT_TOKEN,
}


def exact_bounds(thresholds: Thresholds) -> dict[str, tuple[int, ...]]:
    """Boundaries that classic histograms hold exactly: thresholds and timeouts, by family name, ns."""
    timeouts = (thresholds.timeout_ns(""), *thresholds.timeouts_ns.values())
    bounds = {entry.name: set(timeouts) for entry in (requests.REQUEST_DURATION, requests.TIME_TO_FIRST_CHUNK)}
    for limit in (limit for objective in thresholds.objectives for limit in objective.limits):
        bounds.setdefault(_histogram(limit).name, set()).add(limit.ns)
    return {name: tuple(sorted(ns)) for name, ns in bounds.items()}


def _histogram(limit: Limit) -> Series:
    return _HISTOGRAMS[limit.sli] if limit.stage is None else requests.STAGE_DURATION
