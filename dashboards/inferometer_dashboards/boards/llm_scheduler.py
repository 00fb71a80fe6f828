"""Rows of the board *LLM serving* about the engine at work: its scheduler, its caches, its steps."""

from inferometer import promql
from inferometer.catalog import engines
from inferometer.catalog.engines import of_engine
from inferometer.catalog.labels import LOOKUP, REPLICA, STAGE
from inferometer.catalog.model import Counter, Gauge
from inferometer.catalog.requests import (
    BATCH_SIZE,
    QUEUE_DEPTH,
    STAGE_DURATION,
)
from inferometer.catalog.stages import Stage
from inferometer.promql import Expr
from inferometer_alerts.engine_alerts import FULL
from inferometer_alerts.rule_labels import OF_MODEL
from inferometer_dashboards.boards.histograms import spread
from inferometer_dashboards.boards.llm_tokens import CHOSEN
from inferometer_dashboards.panels import RATE_INTERVAL, Colour, Kind, Panel, Query, Row, Show, Step, named

_REPLICA = (*OF_MODEL, REPLICA)


def _now(series: Gauge) -> Query:
    return Query(expr=promql.sum_by(promql.select(of_engine(series), *CHOSEN), *_REPLICA), legend=named(*_REPLICA))


def _rate(counter: Counter) -> Expr:
    return promql.sum_by(promql.rate(promql.select(counter, *CHOSEN), RATE_INTERVAL), *_REPLICA)


def scheduler() -> Row:
    """What runs, what waits, and who is thrown out again."""
    return Row(
        title="Scheduler",
        panels=(
            Panel(
                key="running",
                title="Requests that run",
                description=(
                    "What each replica works on at this moment. At the limit of sequences while others wait: raise "
                    "the limit if the KV cache has room, else add replicas. Far apart between replicas: the router "
                    "does not spread by load."
                ),
                unit=Show.COUNT,
                kind=Kind.LINES,
                promql=(_now(engines.RUNNING),),
                width=8,
            ),
            Panel(
                key="waiting",
                title="Requests that wait",
                description=(
                    "In the engine's queue, per replica. It should come back to 0 between bursts. Waiting while "
                    "nothing runs: the engine hangs or one request does not fit into its KV cache; restart it."
                ),
                unit=Show.COUNT,
                kind=Kind.LINES,
                promql=(_now(QUEUE_DEPTH),),
                width=8,
            ),
            Panel(
                key="preemptions",
                title="Preemptions per second",
                description=(
                    "Requests that lost their place in the KV cache and begin again: GPU time that is paid twice, and "
                    "answers that pause. Not 0 for long: fewer sequences at once, a smaller maximum length, or more "
                    "memory for the cache."
                ),
                unit=Show.EVENTS_PER_SECOND,
                kind=Kind.LINES,
                promql=(Query(expr=_rate(engines.PREEMPTIONS), legend=named(*_REPLICA)),),
                width=8,
            ),
            Panel(
                key="engine-queue",
                title="Time in the queue",
                description=(
                    "Mean, median and p99 of requests that waited. The part of the time to the first token that more "
                    "replicas take away; the rest is prefill."
                ),
                unit=Show.SECONDS,
                kind=Kind.LINES,
                promql=spread(
                    STAGE_DURATION, *CHOSEN, promql.equal(STAGE, Stage.QUEUE.label), by=OF_MODEL, exemplars=False
                ),
            ),
            Panel(
                key="engine-busy",
                title="Busy",
                description=(
                    "Share of time in which each replica computed batches. Near 100 %: it is full. Low while "
                    "requests wait: it waits for the host, for the network between GPUs or for its KV cache."
                ),
                unit=Show.RATIO,
                kind=Kind.LINES,
                promql=(Query(expr=_rate(engines.BUSY), legend=named(*_REPLICA)),),
                maximum=1.0,
            ),
        ),
    )


def caches() -> Row:
    """How full the KV cache is, and what caches save."""
    looked_up = promql.sum_by(promql.rate(promql.select(engines.CACHE_LOOKUPS, *CHOSEN), RATE_INTERVAL), *_REPLICA)
    found = promql.equal(LOOKUP, "hit")
    hits = promql.sum_by(promql.rate(promql.select(engines.CACHE_LOOKUPS, *CHOSEN, found), RATE_INTERVAL), *_REPLICA)
    return Row(
        title="Caches",
        panels=(
            Panel(
                key="kv-cache",
                title="KV cache in use",
                description=(
                    "Share of the cache of each replica. Full is well as long as nobody is preempted; above the limit "
                    "with preemptions: fewer or shorter requests at once, or a GPU with more memory. Low while "
                    "requests wait: the limit of sequences is too low."
                ),
                unit=Show.RATIO,
                kind=Kind.LINES,
                promql=(
                    Query(
                        expr=promql.max_by(promql.select(engines.KV_CACHE, *CHOSEN), *_REPLICA),
                        legend=named(*_REPLICA),
                    ),
                ),
                width=8,
                steps=(Step(float(FULL), Colour.WATCH),),
                maximum=1.0,
            ),
            Panel(
                key="prefix-cache",
                title="Prefix cache hits",
                description=(
                    "Share of the prompts' tokens that nobody had to compute again. It falls at a release: the "
                    "template begins with something that changes (a date, a name); put that last. Low behind several "
                    "replicas: route by prefix."
                ),
                unit=Show.RATIO,
                kind=Kind.LINES,
                promql=(
                    Query(
                        expr=_rate(engines.PREFIX_HITS) / (_rate(engines.PREFIX_QUERIES) > 0), legend=named(*_REPLICA)
                    ),
                ),
                width=8,
                maximum=1.0,
            ),
            Panel(
                key="answer-cache",
                title="Answers from the cache",
                description=(
                    "Share of requests that the engine's cache of whole answers had (Triton). Near 0: the same "
                    "request rarely comes twice, the cache only costs."
                ),
                unit=Show.RATIO,
                kind=Kind.LINES,
                promql=(Query(expr=promql.either(hits, looked_up * 0) / (looked_up > 0), legend=named(*_REPLICA)),),
                width=8,
                maximum=1.0,
            ),
        ),
    )


def steps() -> Row:
    """What one step computes."""
    return Row(
        title="Steps",
        panels=(
            Panel(
                key="step-tokens",
                title="Tokens per step",
                description=(
                    "Mean, median and p99. Small while requests wait: the budget of tokens per step is too low. Large "
                    "p99 with slow tokens: long prompts share steps with streams; use smaller chunks of prefill."
                ),
                unit=Show.COUNT,
                kind=Kind.LINES,
                promql=spread(engines.STEP_TOKENS, *CHOSEN, by=OF_MODEL, exemplars=False),
            ),
            Panel(
                key="engine-batch",
                title="Requests per batch",
                description=(
                    "Mean, median and p99 of batches, the engine's or those of the service's own queue. Always 1 "
                    "under load: nothing is shared, each request pays for the whole device."
                ),
                unit=Show.COUNT,
                kind=Kind.LINES,
                promql=spread(BATCH_SIZE, *CHOSEN, by=OF_MODEL, exemplars=False),
            ),
        ),
    )
