"""Recording rules of models: requests, quantiles from native histograms, and the mean time of each stage."""

from collections.abc import Iterator
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import OUTCOME, STAGE, VERSION
from inferometer.catalog.model import Histogram
from inferometer.catalog.requests import REQUEST_DURATION, REQUESTS, STAGE_DURATION, TIME_TO_FIRST_CHUNK
from inferometer.promql import Part
from inferometer_alerts import model_proofs, recorded_models
from inferometer_alerts.rule import Group, Rule
from inferometer_alerts.rule_labels import OF_MODEL, QUANTILE
from inferometer_alerts.rule_series import Recorded
from inferometer_alerts.time_scale import TimeScale

WINDOW: Final = "5m"


def group(scale: TimeScale) -> Group:
    """What boards show over long ranges, so that they need not read every sample again."""
    window = scale.over(WINDOW)
    requests = promql.rate(promql.select(REQUESTS), window)
    return Group(
        name="models",
        interval="30s",
        rules=(
            Rule(series=recorded_models.MODEL_REQUESTS, expr=promql.sum_by(requests, *OF_MODEL, VERSION, OUTCOME)),
            *_quantiles(REQUEST_DURATION, recorded_models.MODEL_DURATION, window),
            *_quantiles(TIME_TO_FIRST_CHUNK, recorded_models.MODEL_FIRST_CHUNK, window),
            _stages(window),
        ),
        readings=tuple(model_proofs.readings()),
    )


def _quantiles(histogram: Histogram, series: Recorded, window: str) -> Iterator[Rule]:
    merged = promql.sum_by(promql.rate(promql.select(histogram), window), *OF_MODEL, VERSION)
    for value in QUANTILE.values:
        # Of no requests it is NaN: every comparison drops that.
        known = promql.quantile(float(value), merged) >= 0
        yield Rule(series=series, expr=known, labels={QUANTILE.name: value})


def _stages(window: str) -> Rule:
    # A request without a stage spends no time there: the mean is over all requests, not over those with the stage.
    # Sums that an engine does not tell are NaN, which the comparison drops: there is no mean then.
    spent = promql.rate(promql.select(STAGE_DURATION, part=Part.SUM), window)
    ended = promql.rate(promql.select(REQUEST_DURATION, part=Part.COUNT), window)
    return Rule(
        series=recorded_models.MODEL_STAGE_MEAN,
        expr=promql.divide(
            promql.sum_by(spent, *OF_MODEL, STAGE) >= 0,
            promql.sum_by(ended, *OF_MODEL) > 0,
            on=OF_MODEL,
        ),
    )
