"""The board *Model latency*: where does the time of a model's requests go?"""

from dataclasses import replace

from inferometer import promql
from inferometer.catalog.labels import CLOSE_REASON, DIRECTION, MODEL, SERVICE, STAGE, VERSION
from inferometer.catalog.model import Histogram
from inferometer.catalog.requests import (
    BATCH_SIZE,
    BATCHES,
    INTER_TOKEN,
    QUEUE_DEPTH,
    REQUEST_DURATION,
    REQUESTS,
    STAGE_DURATION,
    TIME_PER_OUTPUT_TOKEN,
    TIME_TO_FIRST_CHUNK,
    TIME_TO_FIRST_TOKEN,
    TOKENS,
)
from inferometer.promql import Expr, Part
from inferometer_alerts import recorded
from inferometer_alerts.recorded import OF_MODEL, QUANTILE
from inferometer_alerts.rule import Board as Uid
from inferometer_dashboards.panels import (
    RATE_INTERVAL,
    Board,
    Kind,
    Panel,
    Query,
    Row,
    Show,
    Variable,
    chosen,
    named,
)
from inferometer_dashboards.sql import latency as sql

_CHOSEN = chosen(SERVICE, MODEL)
_MEDIAN_AND_TAIL = ("0.5", "0.99")
_OF_MODEL = tuple(label.name for label in OF_MODEL)


def latency() -> Board:
    """Percentiles with their traces, the stages that make them, and what waits."""
    return Board(
        uid=Uid.MODEL,
        title="Model latency",
        description="Where does the time of a request go? Click a dot to open the waterfall of that request.",
        variables=(
            Variable(label=SERVICE, family=REQUESTS),
            Variable(label=MODEL, family=REQUESTS, within=(SERVICE,)),
        ),
        rows=(
            Row(title="Duration", panels=(_percentiles(), _heatmap(), _versions(), _first_chunk())),
            Row(title="Stages", panels=(_shares(), _means())),
            Row(title="Queues and batches", panels=(_queue(), _batch_size(), _batches())),
            Row(title="Tokens", panels=(_first_token(), _per_token(), _between_tokens(), _tokens())),
        ),
    )


def _quantiles(histogram: Histogram, values: tuple[str, ...]) -> tuple[Query, ...]:
    """Raw and not recorded: only raw series have exemplars."""
    merged = promql.sum_by(promql.rate(promql.select(histogram, *_CHOSEN), RATE_INTERVAL), *OF_MODEL)
    return tuple(
        Query(
            expr=promql.quantile(float(value), merged),
            legend=named(SERVICE, MODEL, then=f"p{float(value) * 100:g}"),
            exemplar=value == values[-1],
        )
        for value in values
    )


def _percentiles() -> Panel:
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
        promql=_quantiles(REQUEST_DURATION, QUANTILE.values),
    )


def _heatmap() -> Panel:
    merged = promql.sum_by(promql.rate(promql.select(REQUEST_DURATION, *_CHOSEN), RATE_INTERVAL))
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
        sql=sql.HEATMAP,
        promql=(Query(expr=merged, exemplar=True),),
    )


def _versions() -> Panel:
    tail = promql.select(recorded.MODEL_DURATION, *_CHOSEN, promql.one_of(QUANTILE, _MEDIAN_AND_TAIL))
    return Panel(
        key="versions",
        title="Median and p99 by version",
        description=(
            "Recorded, so that it is quick over weeks. A new version above the one that it replaces, in the same "
            "minutes: roll it back or find the stage that grew."
        ),
        unit=Show.SECONDS,
        kind=Kind.LINES,
        sql=sql.quantiles("duration", _MEDIAN_AND_TAIL, *_OF_MODEL, VERSION.name),
        promql=(Query(expr=tail, legend=named(SERVICE, MODEL, VERSION, QUANTILE)),),
    )


def _first_chunk() -> Panel:
    return Panel(
        key="first-chunk",
        title="Time to the first chunk",
        description=(
            "Streams only: from the request's arrival to the first part of its answer, which is what a person waits "
            "for. When it rises while the stages of execution do not: streams wait in a queue before they start."
        ),
        unit=Show.SECONDS,
        kind=Kind.LINES,
        sql=sql.quantiles("first_chunk", _MEDIAN_AND_TAIL, *_OF_MODEL),
        promql=_quantiles(TIME_TO_FIRST_CHUNK, _MEDIAN_AND_TAIL),
    )


def _per_stage() -> Expr:
    spent = promql.rate(promql.select(STAGE_DURATION, *_CHOSEN, part=Part.SUM), RATE_INTERVAL)
    return promql.sum_by(spent, STAGE)


def _shares() -> Panel:
    spent = promql.rate(promql.select(STAGE_DURATION, *_CHOSEN, part=Part.SUM), RATE_INTERVAL)
    return Panel(
        key="stage-shares",
        title="Shares of the mean",
        description=(
            "What all requests together spent their time on; the stages are exclusive and sum to 100 %. Execute "
            "large: the model itself. Queue large: too few workers or batches that wait. Serialize or deserialize "
            "large: the format of the data. Network or remote large: look at the callee."
        ),
        unit=Show.RATIO,
        kind=Kind.STACK,
        sql=sql.STAGE_SHARES,
        promql=(
            Query(
                expr=promql.divide(_per_stage(), promql.sum_by(spent) > 0, on=()),
                legend=named(STAGE),
            ),
        ),
        maximum=1.0,
    )


def _means() -> Panel:
    return Panel(
        key="stage-means",
        title="Mean time per stage",
        description=(
            "Recorded per model; the areas of a model sum to its mean duration. The area that grew when latency "
            "grew is the cause to look for; one that is as before is none."
        ),
        unit=Show.SECONDS,
        kind=Kind.STACK,
        sql=sql.STAGE_MEANS,
        promql=(
            Query(
                expr=promql.select(recorded.MODEL_STAGE_MEAN, *_CHOSEN),
                legend=named(SERVICE, MODEL, STAGE),
            ),
        ),
    )


def _queue() -> Panel:
    return Panel(
        key="queue-depth",
        title="Requests that wait for a batch",
        description=(
            "Waiting now. It should come back to 0 between bursts. Growing without end: more arrives than the model "
            "can do; add replicas, make batches larger or turn requests away."
        ),
        unit=Show.COUNT,
        kind=Kind.LINES,
        promql=(
            Query(
                expr=promql.sum_by(promql.select(QUEUE_DEPTH, *_CHOSEN), *OF_MODEL),
                legend=named(SERVICE, MODEL),
            ),
        ),
        width=8,
    )


def _batch_size() -> Panel:
    merged = promql.sum_by(promql.rate(promql.select(BATCH_SIZE, *_CHOSEN), RATE_INTERVAL), *OF_MODEL)
    return Panel(
        key="batch-size",
        title="Requests per batch",
        description=(
            "Median and p95. Always 1 under load: the wait of the batch is too short to collect anything, and the "
            "device does the work one by one. Always at the limit while requests queue: allow larger batches."
        ),
        unit=Show.COUNT,
        kind=Kind.LINES,
        promql=tuple(
            Query(expr=promql.quantile(q, merged), legend=named(SERVICE, MODEL, then=name))
            for q, name in ((0.5, "p50"), (0.95, "p95"))
        ),
        width=8,
    )


def _batches() -> Panel:
    closed = promql.rate(promql.select(BATCHES, *_CHOSEN), RATE_INTERVAL)
    return Panel(
        key="batch-reasons",
        title="Why batches were closed",
        description=(
            "Batches per second by reason. Mostly full: the limit decides, larger batches may do more per second. "
            "Mostly timeout: the wait decides, every request pays for it; shorten it where load is low."
        ),
        unit=Show.PER_SECOND,
        kind=Kind.STACK,
        promql=(Query(expr=promql.sum_by(closed, *OF_MODEL, CLOSE_REASON), legend=named(MODEL, CLOSE_REASON)),),
        width=8,
    )


def _first_token() -> Panel:
    return Panel(
        key="first-token",
        title="Time to the first token",
        description=(
            "Streams of tokens only: a role, a comment or an empty frame is no token. It rises with the length of "
            "prompts and with every request that waits for its turn; the stages above say which."
        ),
        unit=Show.SECONDS,
        kind=Kind.LINES,
        sql=sql.quantiles("first_token", _MEDIAN_AND_TAIL, *_OF_MODEL),
        promql=_quantiles(TIME_TO_FIRST_TOKEN, _MEDIAN_AND_TAIL),
    )


def _per_token() -> Panel:
    return Panel(
        key="time-per-output-token",
        title="Time per output token",
        description=(
            "After the first, one mean per request: how fast a person can read. It rises when more requests share "
            "the device: limit how many are decoded together, or add replicas."
        ),
        unit=Show.SECONDS,
        kind=Kind.LINES,
        sql=sql.quantiles("per_output_token", _MEDIAN_AND_TAIL, *_OF_MODEL),
        promql=_quantiles(TIME_PER_OUTPUT_TOKEN, _MEDIAN_AND_TAIL),
    )


def _between_tokens() -> Panel:
    return Panel(
        key="between-tokens",
        title="Time between tokens",
        description=(
            "Each time counts, so that a stall in the middle of an answer shows, which its mean hides. p99 far above "
            "the median: streams stop while the prompts of others are read."
        ),
        unit=Show.SECONDS,
        kind=Kind.LINES,
        promql=tuple(replace(query, exemplar=False) for query in _quantiles(INTER_TOKEN, _MEDIAN_AND_TAIL)),
    )


def _tokens() -> Panel:
    counted = promql.rate(promql.select(TOKENS, *_CHOSEN), RATE_INTERVAL)
    return Panel(
        key="tokens",
        title="Tokens per second",
        description=(
            "Read and written, as answers or the application state them. Written ones fall while requests do not: "
            "answers became shorter, or the device slower."
        ),
        unit=Show.COUNT,
        kind=Kind.LINES,
        sql=sql.TOKENS,
        promql=(Query(expr=promql.sum_by(counted, *OF_MODEL, DIRECTION), legend=named(MODEL, DIRECTION)),),
    )
