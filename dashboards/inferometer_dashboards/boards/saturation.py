"""The row of the board *Batching & queues* about room: replicas, what each bears, what was turned away."""

from inferometer import promql
from inferometer.catalog import devices, engines
from inferometer.catalog.labels import DEVICE, DEVICE_STATE, OUTCOME, SERVICE
from inferometer.catalog.requests import IN_FLIGHT
from inferometer.catalog.stages import Outcome
from inferometer.catalog.telemetry import WORKERS
from inferometer_alerts import recorded_models
from inferometer_alerts.rule_labels import OF_MODEL
from inferometer_dashboards.boards.waiting import CHOSEN, ON_SERVICE
from inferometer_dashboards.panels import RATE_INTERVAL, Kind, Panel, Query, Row, Show, named

_TURNED_AWAY = (Outcome.REJECTED.label, Outcome.TIMEOUT.label)


def room() -> Row:
    """Replicas and how full they are."""
    workers = promql.sum_by(promql.select(WORKERS, *ON_SERVICE), SERVICE)
    replicas = promql.sum_by(promql.select(engines.UP, *ON_SERVICE), SERVICE)
    serving = promql.either(replicas, workers)
    spent = promql.rate(promql.select(devices.LEDGER), RATE_INTERVAL)
    used = promql.rate(promql.select(devices.LEDGER, promql.equal(DEVICE_STATE, "attributed")), RATE_INTERVAL)
    every = promql.sum_by(spent, DEVICE)
    busy = promql.either(promql.sum_by(used, DEVICE), every * 0) / (every > 0)
    away = promql.select(recorded_models.MODEL_REQUESTS, *CHOSEN, promql.one_of(OUTCOME, _TURNED_AWAY))
    return Row(
        title="Replicas and room",
        panels=(
            Panel(
                key="replicas",
                title="Workers and replicas",
                description=(
                    "Workers that send frames, and replicas of engines whose page is read. A step down without a "
                    "deploy: processes die; look at the board about cold starts. A step up while requests queue: "
                    "the autoscaler does its work, wait for the new ones to be warm."
                ),
                unit=Show.COUNT,
                kind=Kind.LINES,
                promql=(
                    Query(expr=workers, legend=named(SERVICE, then="workers")),
                    Query(expr=replicas, legend=named(SERVICE, then="replicas")),
                ),
            ),
            Panel(
                key="open-per-replica",
                title="Open requests per replica",
                description=(
                    "What each worker or replica has in hand at the same time. Rising with the load: add replicas "
                    "before it reaches what one can batch. Flat while requests queue elsewhere: the narrow place is "
                    "in front of it."
                ),
                unit=Show.COUNT,
                kind=Kind.LINES,
                promql=(
                    Query(
                        expr=promql.sum_by(promql.select(IN_FLIGHT, *ON_SERVICE), SERVICE) / (serving > 0),
                        legend=named(SERVICE),
                    ),
                ),
            ),
            Panel(
                key="device-busy",
                title="Devices that work for requests",
                description=(
                    "Share of each device's time that requests used, of all models on it. Near 100 %: it is full, "
                    "and the queue is its queue; add one or make batches larger. Low while requests wait: the "
                    "narrow place is on the host, see the row above."
                ),
                unit=Show.RATIO,
                kind=Kind.LINES,
                promql=(Query(expr=busy, legend=named(DEVICE)),),
                maximum=1.0,
            ),
            Panel(
                key="turned-away",
                title="Turned away or given up",
                description=(
                    "Requests per second that were rejected or ran into their timeout. Rejected: admission works, "
                    "and there is too little room. Timeout: nobody turned them away, they waited in vain; reject "
                    "earlier."
                ),
                unit=Show.PER_SECOND,
                kind=Kind.LINES,
                promql=(Query(expr=promql.sum_by(away, *OF_MODEL, OUTCOME), legend=named(*OF_MODEL, OUTCOME)),),
            ),
        ),
    )
