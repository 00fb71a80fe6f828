"""The board *Model latency*: where does the time of a model's requests go?"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import CLOSE_REASON, DIRECTION, MODEL, SERVICE, STAGE, VERSION
from inferometer.catalog.model import Histogram
from inferometer.catalog.requests import (
    BATCH_SIZE,
    BATCHES,
    INTER_TOKEN,
    QUEUE_DEPTH,
    REQUEST_BYTES,
    REQUEST_DURATION,
    REQUESTS,
    RESPONSE_BYTES,
    STAGE_DURATION,
    TIME_PER_OUTPUT_TOKEN,
    TIME_TO_FIRST_CHUNK,
    TIME_TO_FIRST_TOKEN,
    TOKENS,
)
from inferometer.fleet import durations
from inferometer.fleet.model import Fleet
from inferometer.fleet.objective import Sli
from inferometer.fleet.slos import slos
from inferometer.promql import Expr, Part
from inferometer_alerts import recorded
from inferometer_alerts.recorded import OBJECTIVE, OF_MODEL, QUANTILE
from inferometer_alerts.rule import Board as Uid
from inferometer_dashboards.boards.histograms import quantile
from inferometer_dashboards.panels import (
    RATE_INTERVAL,
    Board,
    Kind,
    Link,
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
_EXACT: Final = Link(title="Exact shares of the slowest hundredth", live="model", labels=OF_MODEL)
_MEDIAN_AND_TAIL = ("0.5", "0.99")
_MOST_PROMISES = 8
"""Lines of promises on one panel: more would hide what is measured."""
_OF_MODEL = tuple(label.name for label in OF_MODEL)


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
            Row(title="Stages", panels=(_shares(), _tail_shares(), _means(), _tails())),
            Row(title="Queues and batches", panels=(_queue(), _batch_size(), _batches())),
            Row(title="Tokens", panels=(_first_token(fleet), _per_token(fleet), _between_tokens(), _tokens())),
            Row(title="Sizes", panels=(_asked(), _answered()), collapsed=True),
        ),
    )


def _quantiles(histogram: Histogram, values: tuple[str, ...]) -> tuple[Query, ...]:
    """Raw and not recorded: only raw series have exemplars."""
    return tuple(
        Query(
            expr=quantile(float(value), histogram, *_CHOSEN, by=OF_MODEL),
            legend=named(SERVICE, MODEL, then=f"p{float(value) * 100:g}"),
            exemplar=value == values[-1],
        )
        for value in values
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
        promql=(*_quantiles(REQUEST_DURATION, QUANTILE.values), *_promised(fleet, Sli.LATENCY)),
    )


def _promised(fleet: Fleet, sli: Sli) -> Iterator[Query]:
    """A line where a chosen model promises a time; models that promise the same share it."""
    named_by: dict[int, set[str]] = defaultdict(set)
    for slo in slos(fleet):
        if slo.objective.sli is sli and slo.objective.stage is None and slo.objective.threshold_ns is not None:
            named_by[slo.objective.threshold_ns].add(slo.objective.name)
    for threshold_ns, names in sorted(named_by.items())[:_MOST_PROMISES]:
        promises = promql.select(recorded.SLO_OBJECTIVE, *_CHOSEN, promql.one_of(OBJECTIVE, names))
        yield Query(
            expr=promql.group_by(promises, *OF_MODEL) * (threshold_ns / 1e9),
            legend=named(SERVICE, MODEL, then=f"promises {durations.render(threshold_ns)}"),
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
        sql=sql.quantiles("first_chunk", _MEDIAN_AND_TAIL, *_OF_MODEL),
        promql=(*_quantiles(TIME_TO_FIRST_CHUNK, _MEDIAN_AND_TAIL), *_promised(fleet, Sli.TIME_TO_FIRST_CHUNK)),
    )


def _spent() -> Expr:
    # Of an engine that does not tell a stage's sum it is NaN, which the comparison drops.
    return promql.rate(promql.select(STAGE_DURATION, *_CHOSEN, part=Part.SUM), RATE_INTERVAL) >= 0


def _shares() -> Panel:
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
                expr=promql.divide(promql.sum_by(_spent(), STAGE), promql.sum_by(_spent()) > 0, on=()),
                legend=named(STAGE),
            ),
        ),
        maximum=1.0,
    )


def _of_stages(value: str) -> Expr:
    return quantile(float(value), STAGE_DURATION, *_CHOSEN, by=(*OF_MODEL, STAGE))


def _tail_shares() -> Panel:
    excess = _of_stages("0.99") - _of_stages("0.5")
    return Panel(
        key="stage-shares-of-tail",
        title="Shares of the tail",
        description=(
            "By how much each stage is longer in its own slowest hundredth than usually, as a share of all stages'. A "
            "stage that is larger here than in the mean makes the tail: queue, and requests wait for others; execute, "
            "and these are larger or their device was slowed down; remote, and the callee's own board says more. An "
            "estimate, because the slowest of each stage need not be the same requests: the link leads to the exact "
            "shares of the slowest hundredth, where the recorder has them, and a dot above to one of them."
        ),
        unit=Show.RATIO,
        kind=Kind.STACK,
        promql=(
            Query(
                expr=promql.divide(excess, promql.sum_by(excess, *OF_MODEL) > 0, on=OF_MODEL),
                legend=named(SERVICE, MODEL, STAGE),
            ),
        ),
        maximum=1.0,
        links=(_EXACT,),
    )


def _tails() -> Panel:
    return Panel(
        key="stage-tails",
        title="p99 of each stage",
        description=(
            "The slowest hundredth of each stage by itself. The line that rose with the p99 of the duration is where "
            "to look; one that is flat is no cause. They do not sum to the p99 of the duration."
        ),
        unit=Show.SECONDS,
        kind=Kind.LINES,
        promql=(Query(expr=_of_stages("0.99"), legend=named(SERVICE, MODEL, STAGE)),),
        links=(_EXACT,),
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


def _first_token(fleet: Fleet) -> Panel:
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
        promql=(*_quantiles(TIME_TO_FIRST_TOKEN, _MEDIAN_AND_TAIL), *_promised(fleet, Sli.TIME_TO_FIRST_TOKEN)),
    )


def _per_token(fleet: Fleet) -> Panel:
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
        promql=(*_quantiles(TIME_PER_OUTPUT_TOKEN, _MEDIAN_AND_TAIL), *_promised(fleet, Sli.TIME_PER_OUTPUT_TOKEN)),
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
        promql=_without_dots(INTER_TOKEN),
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


def _asked() -> Panel:
    return Panel(
        key="request-bytes",
        title="Size of requests",
        description=(
            "Bodies as they came. When it rises with deserialize or network: callers send more; ask them, or take a "
            "denser format. A p99 far above the median: a few large ones hold up the rest, give them a service of "
            "their own."
        ),
        unit=Show.BYTES,
        kind=Kind.LINES,
        promql=_without_dots(REQUEST_BYTES),
    )


def _answered() -> Panel:
    return Panel(
        key="response-bytes",
        title="Size of answers",
        description=(
            "Bodies as they went. When it rises with serialize or network: answers became larger; leave out what "
            "nobody reads, or compress. Unchanged while latency rises: size is not the cause."
        ),
        unit=Show.BYTES,
        kind=Kind.LINES,
        promql=_without_dots(RESPONSE_BYTES),
    )


def _without_dots(histogram: Histogram) -> tuple[Query, ...]:
    return tuple(replace(query, exemplar=False) for query in _quantiles(histogram, _MEDIAN_AND_TAIL))
