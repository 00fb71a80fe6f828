"""Rows of the board *LLM serving* about tokens: the first, those after it, how many, and what they cost."""

from typing import Final

from inferometer import promql
from inferometer.catalog import engines
from inferometer.catalog.labels import DIRECTION, MODEL, PHASE, SERVICE
from inferometer.catalog.requests import (
    COST,
    INTER_TOKEN,
    TIME_PER_OUTPUT_TOKEN,
    TIME_TO_FIRST_CHUNK,
    TIME_TO_FIRST_TOKEN,
    TOKENS,
)
from inferometer.promql import Expr
from inferometer_alerts.rule_labels import OF_MODEL
from inferometer_dashboards.boards.histograms import spread
from inferometer_dashboards.panels import RATE_INTERVAL, Kind, Panel, Query, Row, Show, chosen, named

CHOSEN: Final = chosen(SERVICE, MODEL)
_MILLION: Final = 1_000_000
_INPUT, _OUTPUT = DIRECTION.values


def first() -> Row:
    """What a person waits for."""
    merged = promql.sum_by(promql.rate(promql.select(TIME_TO_FIRST_TOKEN, *CHOSEN), RATE_INTERVAL))
    return Row(
        title="The first token",
        panels=(
            Panel(
                key="first-token",
                title="Time to the first token",
                description=(
                    "From the request's arrival to its first output token; a role, a comment or an empty frame is no "
                    "token. p99 rises and the median does not: requests wait for their turn, see the queue below. "
                    "Both rise: prompts grew, or the prefix cache does not hit any more."
                ),
                unit=Show.SECONDS,
                kind=Kind.LINES,
                promql=spread(TIME_TO_FIRST_TOKEN, *CHOSEN, by=OF_MODEL, values=(0.5, 0.95, 0.99)),
            ),
            Panel(
                key="first-token-heatmap",
                title="How they are spread",
                description=(
                    "Requests by time to the first token; choose one model to read it, and click a dot for its "
                    "waterfall. Two bands: prompts that the prefix cache had, and others. Of instrumented services; "
                    "an engine's own buckets are never mixed with them."
                ),
                unit=Show.SECONDS,
                kind=Kind.HEATMAP,
                promql=(Query(expr=merged, exemplar=True),),
            ),
            Panel(
                key="prefill",
                title="Prefill",
                description=(
                    "From a request's first step to its first token, as the engine measures it. Near the time to the "
                    "first token: nobody waits, prompts are long. Far below it: requests wait."
                ),
                unit=Show.SECONDS,
                kind=Kind.LINES,
                promql=spread(engines.PREFILL, *CHOSEN, by=OF_MODEL, exemplars=False),
            ),
            Panel(
                key="first-chunk",
                title="Time to the first chunk",
                description=(
                    "Of streams that carry no tokens, or whose tokens nobody counts. It rises while execution does "
                    "not: streams wait in a queue before they start."
                ),
                unit=Show.SECONDS,
                kind=Kind.LINES,
                promql=spread(TIME_TO_FIRST_CHUNK, *CHOSEN, by=OF_MODEL),
            ),
        ),
    )


def flow() -> Row:
    """How answers flow once they have begun."""
    return Row(
        title="The tokens after it",
        panels=(
            Panel(
                key="between-tokens",
                title="Time between tokens",
                description=(
                    "Each time counts, so that a stall in the middle of an answer shows, which its mean hides. p99 "
                    "far above the median: streams stop while prompts of others are computed; smaller chunks of "
                    "prefill, or prefill on other replicas."
                ),
                unit=Show.SECONDS,
                kind=Kind.LINES,
                promql=spread(INTER_TOKEN, *CHOSEN, by=OF_MODEL, exemplars=False),
                width=8,
            ),
            Panel(
                key="time-per-output-token",
                title="Time per output token",
                description=(
                    "After the first, one mean per request: how fast a person can read. It rises as more requests "
                    "share the device: limit how many are decoded together, or add replicas."
                ),
                unit=Show.SECONDS,
                kind=Kind.LINES,
                promql=spread(TIME_PER_OUTPUT_TOKEN, *CHOSEN, by=OF_MODEL),
                width=8,
            ),
            Panel(
                key="decode",
                title="Decode",
                description=(
                    "From a request's first token to its last, as the engine measures it. It grows with the length of "
                    "answers; grows alone: preemptions, or the device is held back."
                ),
                unit=Show.SECONDS,
                kind=Kind.LINES,
                promql=spread(engines.DECODE, *CHOSEN, by=OF_MODEL, exemplars=False),
                width=8,
            ),
        ),
    )


def throughput() -> Row:
    """Tokens per second, per request and per dollar."""
    counted = promql.sum_by(promql.rate(promql.select(TOKENS, *CHOSEN), RATE_INTERVAL), *OF_MODEL, DIRECTION)
    return Row(
        title="Tokens",
        panels=(
            Panel(
                key="tokens",
                title="Tokens per second",
                description=(
                    "Read and written. Written ones fall while requests do not: answers became shorter, or the "
                    "engine slower; the time per token above says which."
                ),
                unit=Show.TOKENS_PER_SECOND,
                kind=Kind.LINES,
                promql=(Query(expr=counted, legend=named(*OF_MODEL, DIRECTION)),),
            ),
            Panel(
                key="usd-per-million-tokens",
                title="Per million tokens",
                description=(
                    "Marginal cost of what requests used by the tokens that they read and wrote; prefill by what was "
                    "read and decode by what was written only where runs tell them apart. It rises at the same "
                    "prices: batches are smaller, or the cache hits less. Absent where nobody knows the price."
                ),
                unit=Show.USD,
                kind=Kind.LINES,
                promql=(
                    Query(expr=_per_million(), legend=named(*OF_MODEL, then="all tokens")),
                    Query(expr=_per_million("prefill", _INPUT), legend=named(*OF_MODEL, then="read")),
                    Query(expr=_per_million("decode", _OUTPUT), legend=named(*OF_MODEL, then="written")),
                ),
            ),
            Panel(
                key="input-length",
                title="Tokens per prompt",
                description=(
                    "Mean, median and p99, as the engine counts them. Longer prompts make first tokens slower and the "
                    "KV cache fuller; a jump at a release: somebody changed the template."
                ),
                unit=Show.COUNT,
                kind=Kind.LINES,
                promql=spread(engines.INPUT_LENGTH, *CHOSEN, by=OF_MODEL, exemplars=False),
            ),
            Panel(
                key="output-length",
                title="Tokens per answer",
                description=(
                    "Mean, median and p99. p99 at the limit of `max_tokens`: answers are cut off. Longer ones hold "
                    "their place in the batch for longer: fewer requests per second."
                ),
                unit=Show.COUNT,
                kind=Kind.LINES,
                promql=spread(engines.OUTPUT_LENGTH, *CHOSEN, by=OF_MODEL, exemplars=False),
            ),
        ),
    )


def _per_million(phase: str | None = None, direction: str | None = None) -> Expr:
    of_phase = () if phase is None else (promql.equal(PHASE, phase),)
    of_direction = () if direction is None else (promql.equal(DIRECTION, direction),)
    spent = promql.sum_by(promql.rate(promql.select(COST, *CHOSEN, *of_phase), RATE_INTERVAL), *OF_MODEL)
    tokens = promql.sum_by(promql.rate(promql.select(TOKENS, *CHOSEN, *of_direction), RATE_INTERVAL), *OF_MODEL)
    return _MILLION * spent / (tokens > 0)
