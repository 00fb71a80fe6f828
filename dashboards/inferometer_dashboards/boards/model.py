"""The board *Model latency*: where does the time of a model's requests go?"""

from typing import Final

from inferometer import promql
from inferometer.catalog.labels import MODEL, SERVICE, VERSION
from inferometer.catalog.requests import (
    REQUEST_DURATION,
    REQUESTS,
    TIME_TO_FIRST_CHUNK,
)
from inferometer.fleet.model import Fleet
from inferometer.fleet.objective import Sli
from inferometer_alerts import recorded_models
from inferometer_alerts.rule import Board as Uid
from inferometer_alerts.rule_labels import OF_MODEL, QUANTILE
from inferometer_dashboards.boards.model_lines import CHOSEN, MEDIAN_AND_TAIL, percentile_lines, promised
from inferometer_dashboards.boards.model_stages import stages
from inferometer_dashboards.boards.model_work import sizes, tokens, waiting
from inferometer_dashboards.panels import (
    RATE_INTERVAL,
    Board,
    Kind,
    Panel,
    Query,
    Row,
    Show,
    Variable,
    named,
)
from inferometer_dashboards.sql import latency as sql

_OF_MODEL: Final = tuple(label.name for label in OF_MODEL)


def latency(fleet: Fleet) -> Board:
    """Percentiles with their traces and promises, the stages that make them and their tails, what waits, and sizes."""
    return Board(
        uid=Uid.MODEL,
        title="Model latency",
        description=(
            "Where does the time of a request go? Choose one model. Click a dot to open the waterfall of that request; "
            "the dashed lines are what fleet.yaml promises."
        ),
        variables=(
            Variable(label=SERVICE, family=REQUESTS),
            Variable(label=MODEL, family=REQUESTS, within=(SERVICE,)),
        ),
        rows=(
            Row(title="Duration", panels=(_percentiles(fleet), _heatmap(), _versions(), _first_chunk(fleet))),
            stages(),
            waiting(),
            tokens(fleet),
            sizes(),
        ),
    )


def _percentiles(fleet: Fleet) -> Panel:
    return Panel(
        key="percentiles",
        title="Percentiles of the duration",
        description=(
            "From the first byte of the request to the last byte of the answer; each dot is one request whose trace "
            "was kept. All percentiles rise: the model or its device is slower, see the stages below. Only the upper "
            "ones rise: a few requests wait; click a dot far above the lines and read its waterfall."
        ),
        unit=Show.SECONDS,
        kind=Kind.LINES,
        sql=sql.quantiles("duration", QUANTILE.values, *_OF_MODEL),
        promql=(*percentile_lines(REQUEST_DURATION, QUANTILE.values), *promised(fleet, Sli.LATENCY)),
    )


def _heatmap() -> Panel:
    merged = promql.sum_by(promql.rate(promql.select(REQUEST_DURATION, *CHOSEN), RATE_INTERVAL))
    return Panel(
        key="duration-heatmap",
        title="How durations are spread",
        description=(
            "Requests by duration over time; choose one model to read it. Two bands: two kinds of requests or two "
            "versions, which one percentile hides. A band that climbs: a queue that grows. Single dots far above: "
            "cold starts or retries; click one."
        ),
        unit=Show.SECONDS,
        kind=Kind.HEATMAP,
        empty="an engine's own buckets are too few to draw; LLM serving has its quantiles",
        sql=sql.HEATMAP,
        promql=(Query(expr=merged, exemplar=True),),
    )


def _versions() -> Panel:
    tail = promql.select(recorded_models.MODEL_DURATION, *CHOSEN, promql.one_of(QUANTILE, MEDIAN_AND_TAIL))
    return Panel(
        key="versions",
        title="Median and p99 by version",
        description=(
            "Recorded, so that it is quick over weeks. A new version above the one that it replaces, in the same "
            "minutes: roll it back or find the stage that grew."
        ),
        unit=Show.SECONDS,
        kind=Kind.LINES,
        sql=sql.quantiles("duration", MEDIAN_AND_TAIL, *_OF_MODEL, VERSION.name),
        promql=(Query(expr=tail, legend=named(SERVICE, MODEL, VERSION, QUANTILE)),),
    )


def _first_chunk(fleet: Fleet) -> Panel:
    return Panel(
        key="first-chunk",
        title="Time to the first chunk",
        description=(
            "Streams only: from the request's arrival to the first part of its answer, which is what a person waits "
            "for. When it rises while the stages of execution do not: streams wait in a queue before they start."
        ),
        unit=Show.SECONDS,
        kind=Kind.LINES,
        sql=sql.quantiles("first_chunk", MEDIAN_AND_TAIL, *_OF_MODEL),
        promql=(*percentile_lines(TIME_TO_FIRST_CHUNK, MEDIAN_AND_TAIL), *promised(fleet, Sli.TIME_TO_FIRST_CHUNK)),
    )
