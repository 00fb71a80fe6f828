"""Rows of the board *Cold start* about models: how long they take to load, and what that costs."""

from typing import Final

from inferometer import promql
from inferometer.catalog import devices, engines
from inferometer.catalog.labels import DEVICE, DEVICE_STATE, LOAD_PHASE, REPLICA, SERVICE
from inferometer.catalog.requests import (
    MODEL_LOAD,
    WARMUP_REQUESTS,
)
from inferometer_alerts.rule_labels import OF_MODEL
from inferometer_dashboards.boards.histograms import spread
from inferometer_dashboards.panels import (
    RATE_INTERVAL,
    Kind,
    Panel,
    Query,
    Row,
    Show,
    chosen,
    named,
)

_ON_SERVICE: Final = chosen(SERVICE)
_LOADING: Final = promql.equal(DEVICE_STATE, "loading")


def models() -> Row:
    """Loads and warm-ups."""
    return Row(title="Models", panels=(_loads(), _last_loads(), _warmups()))


def cost() -> Row:
    """Device time and money that loads take."""
    return Row(title="What it costs", panels=(_loading_time(), _loading_cost()))


def _loads() -> Panel:
    return Panel(
        key="model-loads",
        title="Time to load a model",
        description=(
            "Mean, median and longest hundredth, per model. Much longer now and then: the weights come over the "
            "network; keep them on the node. It happens without a start: models are swapped, give each its own "
            "replica."
        ),
        unit=Show.SECONDS,
        kind=Kind.LINES,
        promql=spread(MODEL_LOAD, *_ON_SERVICE, by=OF_MODEL, exemplars=False),
        width=8,
    )


def _last_loads() -> Panel:
    last = promql.max_by(promql.select(engines.LAST_LOAD, *_ON_SERVICE), *OF_MODEL, REPLICA, LOAD_PHASE)
    return Panel(
        key="last-loads",
        title="Last load, where an engine says it",
        description=(
            "How long the last load took, by replica and by part where the engine tells parts. One replica slower "
            "than the others: its disk or its network; restart it elsewhere."
        ),
        unit=Show.SECONDS,
        kind=Kind.TABLE,
        promql=(Query(expr=last, legend="Took", instant=True),),
        width=8,
    )


def _warmups() -> Panel:
    warm = promql.sum_by(promql.rate(promql.select(WARMUP_REQUESTS, *_ON_SERVICE), RATE_INTERVAL), *OF_MODEL)
    return Panel(
        key="warmups",
        title="Warm-up requests per second",
        description=(
            "Marked as warm-up and outside every percentile and objective. None at a start: the first users warm the "
            "model up; send a few requests before it is said to be ready."
        ),
        unit=Show.PER_SECOND,
        kind=Kind.LINES,
        promql=(Query(expr=warm, legend=named(*OF_MODEL)),),
        width=8,
    )


def _loading_time() -> Panel:
    loading = promql.rate(promql.select(devices.LEDGER, _LOADING), RATE_INTERVAL)
    return Panel(
        key="loading-time",
        title="Devices that load a model and do nothing else",
        description=(
            "Share of each device's time. Not 0 for long: models come and go too often for what they are asked; "
            "keep them loaded, or share the device among fewer."
        ),
        unit=Show.RATIO,
        kind=Kind.LINES,
        promql=(Query(expr=promql.sum_by(loading, DEVICE), legend=named(DEVICE)),),
        maximum=1.0,
    )


def _loading_cost() -> Panel:
    loading = promql.max_by(promql.rate(promql.select(devices.LEDGER, _LOADING), RATE_INTERVAL), DEVICE)
    price = promql.max_by(promql.select(devices.PRICE), DEVICE)
    return Panel(
        key="loading-cost",
        title="What loading costs",
        description=(
            "Price of the device by the share of its time that went into loads. Compare it with what a replica "
            "costs that is kept warm, before you let it sleep: `inferometer slo scaling` does the sum."
        ),
        unit=Show.USD_PER_HOUR,
        kind=Kind.STACK,
        promql=(Query(expr=loading * price, legend=named(DEVICE)),),
    )
