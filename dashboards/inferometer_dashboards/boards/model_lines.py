"""Lines that panels of latency share: percentiles with their dots, and what is promised."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, SERVICE
from inferometer.catalog.model import Histogram
from inferometer.fleet import durations
from inferometer.fleet.model import Fleet
from inferometer.fleet.objective import Sli
from inferometer.fleet.slos import slos
from inferometer_alerts import recorded_slos
from inferometer_alerts.rule_labels import OBJECTIVE, OF_MODEL
from inferometer_dashboards.boards.histograms import quantile
from inferometer_dashboards.panels import (
    Query,
    chosen,
    named,
)

CHOSEN: Final = chosen(SERVICE, MODEL)
MEDIAN_AND_TAIL: Final = ("0.5", "0.99")
_MOST_PROMISES = 8
"""Lines of promises on one panel: more would hide what is measured."""


def percentile_lines(histogram: Histogram, values: tuple[str, ...]) -> tuple[Query, ...]:
    """Percentiles of the chosen models, dots with the highest; raw and not recorded: only raw series have exemplars."""
    return tuple(
        Query(
            expr=quantile(float(value), histogram, *CHOSEN, by=OF_MODEL),
            legend=named(SERVICE, MODEL, then=f"p{float(value) * 100:g}"),
            exemplar=value == values[-1],
        )
        for value in values
    )


def promised(fleet: Fleet, sli: Sli) -> Iterator[Query]:
    """A line where a chosen model promises a time; models that promise the same share it."""
    named_by: dict[int, set[str]] = defaultdict(set)
    for slo in slos(fleet):
        if slo.objective.sli is sli and slo.objective.stage is None and slo.objective.threshold_ns is not None:
            named_by[slo.objective.threshold_ns].add(slo.objective.name)
    for threshold_ns, names in sorted(named_by.items())[:_MOST_PROMISES]:
        promises = promql.select(recorded_slos.SLO_OBJECTIVE, *CHOSEN, promql.one_of(OBJECTIVE, names))
        yield Query(
            expr=promql.group_by(promises, *OF_MODEL) * (threshold_ns / 1e9),
            legend=named(SERVICE, MODEL, then=f"promises {durations.render(threshold_ns)}"),
        )
