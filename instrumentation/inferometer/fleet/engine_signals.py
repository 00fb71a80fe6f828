"""Which series of a foreign engine each SLI is read from."""

from typing import Final

from inferometer.catalog import requests
from inferometer.fleet.objective import Sli
from inferometer.fleet.slos import ObjectiveSpec

SERIES: Final = {
    Sli.AVAILABILITY: requests.REQUESTS,
    Sli.FRESHNESS: requests.REQUESTS,
    Sli.LATENCY: requests.REQUEST_DURATION,
    Sli.TIME_TO_FIRST_CHUNK: requests.TIME_TO_FIRST_CHUNK,
    Sli.TIME_TO_FIRST_TOKEN: requests.TIME_TO_FIRST_TOKEN,
    Sli.TIME_PER_OUTPUT_TOKEN: requests.TIME_PER_OUTPUT_TOKEN,
}
"""Series that each SLI of an engine is read from."""


def signal(spec: ObjectiveSpec) -> str | None:
    """Name of the engines' signal that an objective is read from; None: from none."""
    if spec.stage is not None:
        return f'{requests.STAGE_DURATION.name}{{stage="{spec.stage.label}"}}'
    series = SERIES.get(spec.sli)
    return None if series is None else series.name
