"""Rows of the board *Model latency*: what waits, how fast tokens come, and how large bodies are."""

from dataclasses import replace
from typing import Final

from inferometer import promql
from inferometer.catalog.labels import CLOSE_REASON, DIRECTION, MODEL, SERVICE
from inferometer.catalog.model import Histogram
from inferometer.catalog.requests import (
    BATCH_SIZE,
    BATCHES,
    INTER_TOKEN,
    QUEUE_DEPTH,
    REQUEST_BYTES,
    RESPONSE_BYTES,
    TIME_PER_OUTPUT_TOKEN,
    TIME_TO_FIRST_TOKEN,
    TOKENS,
)
from inferometer.fleet.model import Fleet
from inferometer.fleet.objective import Sli
from inferometer_alerts.rule_labels import OF_MODEL
from inferometer_dashboards.boards.model_lines import CHOSEN, MEDIAN_AND_TAIL, percentile_lines, promised
from inferometer_dashboards.panels import (
    RATE_INTERVAL,
    Kind,
    Panel,
    Query,
    Row,
    Show,
    named,
)
from inferometer_dashboards.sql import latency as sql

_OF_MODEL: Final = tuple(label.name for label in OF_MODEL)


def waiting() -> Row:
    """What waits, and what is done together."""
    return Row(title="Queues and batches", panels=(_queue(), _batch_size(), _batches()))


def tokens(fleet: Fleet) -> Row:
    """How fast tokens come."""
    return Row(title="Tokens", panels=(_first_token(fleet), _per_token(fleet), _between_tokens(), _tokens()))


def sizes() -> Row:
    """How large bodies are."""
    return Row(title="Sizes", panels=(_asked(), _answered()), collapsed=True)


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
                expr=promql.sum_by(promql.select(QUEUE_DEPTH, *CHOSEN), *OF_MODEL),
                legend=named(SERVICE, MODEL),
            ),
        ),
        width=8,
    )


def _batch_size() -> Panel:
    merged = promql.sum_by(promql.rate(promql.select(BATCH_SIZE, *CHOSEN), RATE_INTERVAL), *OF_MODEL)
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
    closed = promql.rate(promql.select(BATCHES, *CHOSEN), RATE_INTERVAL)
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
        sql=sql.quantiles("first_token", MEDIAN_AND_TAIL, *_OF_MODEL),
        promql=(*percentile_lines(TIME_TO_FIRST_TOKEN, MEDIAN_AND_TAIL), *promised(fleet, Sli.TIME_TO_FIRST_TOKEN)),
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
        sql=sql.quantiles("per_output_token", MEDIAN_AND_TAIL, *_OF_MODEL),
        promql=(*percentile_lines(TIME_PER_OUTPUT_TOKEN, MEDIAN_AND_TAIL), *promised(fleet, Sli.TIME_PER_OUTPUT_TOKEN)),
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
    counted = promql.rate(promql.select(TOKENS, *CHOSEN), RATE_INTERVAL)
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
    return tuple(replace(query, exemplar=False) for query in percentile_lines(histogram, MEDIAN_AND_TAIL))
