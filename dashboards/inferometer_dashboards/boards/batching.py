"""The row of the board *Batching & queues* about batches: how large they are, why they close, what they save."""

from inferometer import promql
from inferometer.catalog.labels import CLOSE_REASON, VERSION
from inferometer.catalog.requests import BATCH_SIZE, BATCHES, DEVICE_SECONDS, REQUESTS
from inferometer_alerts.rule_labels import OF_MODEL
from inferometer_dashboards.boards.histograms import spread
from inferometer_dashboards.boards.waiting import CHOSEN
from inferometer_dashboards.panels import RATE_INTERVAL, Kind, Panel, Query, Row, Show, named


def batches() -> Row:
    """Size, spread, reasons, and device time per request."""
    closed = promql.rate(promql.select(BATCHES, *CHOSEN), RATE_INTERVAL)
    used = promql.sum_by(promql.rate(promql.select(DEVICE_SECONDS, *CHOSEN), RATE_INTERVAL), *OF_MODEL, VERSION)
    ended = promql.sum_by(promql.rate(promql.select(REQUESTS, *CHOSEN), RATE_INTERVAL), *OF_MODEL, VERSION)
    sizes = promql.sum_by(promql.rate(promql.select(BATCH_SIZE, *CHOSEN), RATE_INTERVAL))
    return Row(
        title="Batches",
        panels=(
            Panel(
                key="batch-size",
                title="Requests per batch",
                description=(
                    "Mean, median and p95. Always 1 under load: the wait of the batch is too short to collect "
                    "anything, and the device does the work one by one. Always at the limit while requests queue: "
                    "allow larger batches."
                ),
                unit=Show.COUNT,
                kind=Kind.LINES,
                promql=spread(BATCH_SIZE, *CHOSEN, by=OF_MODEL, values=(0.5, 0.95), exemplars=False),
            ),
            Panel(
                key="batch-reasons",
                title="Why batches were closed",
                description=(
                    "Batches per second by reason. Mostly full: the limit decides, larger batches may do more per "
                    "second. Mostly timeout: the wait decides, every request pays for it; shorten it where load is "
                    "low. flush: somebody asked for it, or the queue was closed."
                ),
                unit=Show.PER_SECOND,
                kind=Kind.STACK,
                promql=(
                    Query(expr=promql.sum_by(closed, *OF_MODEL, CLOSE_REASON), legend=named(*OF_MODEL, CLOSE_REASON)),
                ),
            ),
            Panel(
                key="batch-heatmap",
                title="How sizes are spread",
                description=(
                    "Batches by size over time; choose one model to read it. Two bands, at 1 and at the limit: load "
                    "comes in bursts, and a longer wait would fill the small ones."
                ),
                unit=Show.COUNT,
                kind=Kind.HEATMAP,
                promql=(Query(expr=sizes),),
            ),
            Panel(
                key="device-per-request",
                title="Device time per request",
                description=(
                    "What one request uses of a device, with its share of the batches that it was in. It falls as "
                    "batches grow: that is what batching saves. Flat while batches grow: the model does not profit, "
                    "smaller ones would cost less time."
                ),
                unit=Show.SECONDS,
                kind=Kind.LINES,
                promql=(Query(expr=used / (ended > 0), legend=named(*OF_MODEL, VERSION)),),
            ),
        ),
    )
