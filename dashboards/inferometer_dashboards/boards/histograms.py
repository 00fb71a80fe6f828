"""Quantiles of histograms, whichever form they come in: native ones of our own services, an engine's own buckets."""

from typing import Final

from inferometer import promql
from inferometer.catalog.model import Histogram, Label
from inferometer.promql import Expr, Matcher, Part
from inferometer_alerts.rule_labels import LE
from inferometer_dashboards.panels import RATE_INTERVAL, Query, named

MEDIAN_AND_TAIL: Final = (0.5, 0.99)


def quantile(q: float, histogram: Histogram, *matchers: Matcher, by: tuple[Label, ...]) -> Expr:
    """The *q* quantile; absent where nothing was observed, and where an engine tells a sum and a count only."""
    native = promql.sum_by(promql.rate(promql.select(histogram, *matchers), RATE_INTERVAL), *by)
    buckets = promql.rate(promql.select(histogram, *matchers, part=Part.BUCKET), RATE_INTERVAL)
    # Of no observation, and of the bucket up to infinity alone, a quantile is NaN: every comparison drops that.
    return promql.either(promql.quantile(q, native) >= 0, promql.quantile(q, promql.sum_by(buckets, *by, LE)) >= 0)


def mean(histogram: Histogram, *matchers: Matcher, by: tuple[Label, ...]) -> Expr:
    """The mean, which an engine without buckets has, too; absent where an engine does not know the sum."""
    # Such a sum is NaN, and so is every sum that has it in: a comparison drops it.
    total = promql.rate(promql.select(histogram, *matchers, part=Part.SUM), RATE_INTERVAL) >= 0
    number = promql.rate(promql.select(histogram, *matchers, part=Part.COUNT), RATE_INTERVAL)
    return promql.sum_by(total, *by) / (promql.sum_by(number, *by) > 0)


def spread(
    histogram: Histogram,
    *matchers: Matcher,
    by: tuple[Label, ...],
    values: tuple[float, ...] = MEDIAN_AND_TAIL,
    exemplars: bool = True,
) -> tuple[Query, ...]:
    """Mean and quantiles; dots of kept traces with the highest one."""
    lines = [Query(expr=mean(histogram, *matchers, by=by), legend=named(*by, then="mean"))]
    lines += (
        Query(
            expr=quantile(q, histogram, *matchers, by=by),
            legend=named(*by, then=f"p{q * 100:g}"),
            exemplar=exemplars and q == values[-1],
        )
        for q in values
    )
    return tuple(lines)
