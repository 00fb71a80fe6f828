"""Rows of the board *Batching & queues*: how long requests wait, and in which queue."""

from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, SERVICE, STAGE
from inferometer.catalog.requests import (
    IN_FLIGHT,
    QUEUE_DEPTH,
    STAGE_DURATION,
)
from inferometer.catalog.stages import Stage
from inferometer.promql import Expr, Part
from inferometer_alerts import recorded_models
from inferometer_alerts.rule_labels import OF_MODEL
from inferometer_alerts.service_alerts import QUEUE_SHARE
from inferometer_dashboards.boards.histograms import spread
from inferometer_dashboards.panels import (
    RATE_INTERVAL,
    Colour,
    Kind,
    Panel,
    Query,
    Row,
    Show,
    Step,
    chosen,
    named,
)

CHOSEN: Final = chosen(SERVICE, MODEL)
ON_SERVICE: Final = chosen(SERVICE)
_QUEUED: Final = promql.equal(STAGE, Stage.QUEUE.label)
_LIMIT: Final = (Step(float(QUEUE_SHARE), Colour.WATCH),)


def _mean_waits() -> Expr:
    """Mean time in queues of each model; 0 where its requests never waited."""
    waited = promql.sum_by(promql.select(recorded_models.MODEL_STAGE_MEAN, *CHOSEN, _QUEUED) >= 0, *OF_MODEL)
    return promql.either(waited, _mean() * 0)


def _mean() -> Expr:
    return promql.sum_by(promql.select(recorded_models.MODEL_STAGE_MEAN, *CHOSEN) >= 0, *OF_MODEL)


def now() -> Row:
    """Numbers of this moment."""
    # The sums of some engines are unknown, which is NaN: a comparison drops it.
    spent = promql.rate(promql.select(STAGE_DURATION, *CHOSEN, part=Part.SUM), RATE_INTERVAL) >= 0
    queued = promql.rate(promql.select(STAGE_DURATION, *CHOSEN, _QUEUED, part=Part.SUM), RATE_INTERVAL) >= 0
    every = promql.sum_by(spent)
    share = promql.either(promql.sum_by(queued), every * 0) / (every > 0)
    return Row(
        title="Now",
        panels=(
            Panel(
                key="waiting-share",
                title="Time spent waiting",
                description=(
                    "Share of all requests' time that went by in queues. Above the limit most of what users wait for "
                    "is no work: the row below says in which queue."
                ),
                unit=Show.RATIO,
                kind=Kind.STAT,
                promql=(Query(expr=share, instant=True),),
                width=8,
                height=4,
                steps=_LIMIT,
            ),
            Panel(
                key="waiting-now",
                title="Requests in batch and engine queues",
                description=(
                    "How many wait at this moment, of all chosen models. Not 0 between bursts: more comes than is "
                    "done. Absent where nothing batches."
                ),
                unit=Show.COUNT,
                kind=Kind.STAT,
                promql=(Query(expr=promql.sum_by(promql.select(QUEUE_DEPTH, *CHOSEN)), instant=True),),
                width=8,
                height=4,
            ),
            Panel(
                key="open-now",
                title="Open requests",
                description=(
                    "Requests that are in the chosen services now, waiting or worked on. It rises with load or with "
                    "latency; rising at the same load: something got slower."
                ),
                unit=Show.COUNT,
                kind=Kind.STAT,
                promql=(Query(expr=promql.sum_by(promql.select(IN_FLIGHT, *ON_SERVICE)), instant=True),),
                width=8,
                height=4,
            ),
        ),
    )


def times() -> Row:
    """How long requests wait."""
    return Row(
        title="How long requests wait",
        panels=(
            Panel(
                key="queue-mean",
                title="Mean time in queues",
                description=(
                    "Recorded, of every request, also of those that did not wait. It grows while requests per second "
                    "do not: the model or its device became slower, and the queue is the symptom."
                ),
                unit=Show.SECONDS,
                kind=Kind.LINES,
                promql=(Query(expr=_mean_waits(), legend=named(*OF_MODEL)),),
                width=8,
            ),
            Panel(
                key="queue-share",
                title="Share of the time",
                description=(
                    "Time in queues by the whole time of a request. Above the limit: add replicas, make batches "
                    "larger or turn requests away early; a faster model helps only as far as it empties the queue."
                ),
                unit=Show.RATIO,
                kind=Kind.LINES,
                promql=(Query(expr=_mean_waits() / (_mean() > 0), legend=named(*OF_MODEL)),),
                width=8,
                steps=_LIMIT,
                maximum=1.0,
            ),
            Panel(
                key="queue-quantiles",
                title="Of requests that waited",
                description=(
                    "Mean, median and p99 of the time in queues; each dot is a request, and its waterfall says which "
                    "queue it was. p99 far above the median: bursts, or one long request in front of many short ones."
                ),
                unit=Show.SECONDS,
                kind=Kind.LINES,
                promql=spread(STAGE_DURATION, *CHOSEN, _QUEUED, by=OF_MODEL),
                width=8,
            ),
        ),
    )
