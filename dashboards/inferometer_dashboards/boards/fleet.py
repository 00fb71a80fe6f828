"""The board *Fleet*: are users well served, and where not?"""

from typing import Final

from inferometer import promql
from inferometer.catalog import devices
from inferometer.catalog.labels import DEVICE, DEVICE_STATE, MODEL, OUTCOME, REGION, SERVICE, TENANT, VERSION
from inferometer.catalog.requests import COST, DEVICE_SECONDS, IN_FLIGHT, REQUEST_DURATION, REQUESTS
from inferometer.catalog.stages import FAILED
from inferometer.fleet.model import Fleet
from inferometer.promql import Expr, Matcher
from inferometer_alerts import recorded_costs
from inferometer_alerts.rule import Board as Uid
from inferometer_alerts.rule_labels import OF_MODEL
from inferometer_dashboards.boards import budget_panels
from inferometer_dashboards.boards.histograms import quantile
from inferometer_dashboards.panels import (
    RANGE,
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
from inferometer_dashboards.sql import fleet as sql
from inferometer_dashboards.sql import latency

_CHOSEN: Final = chosen(SERVICE, MODEL)
_IN_REGION: Final = chosen(SERVICE, MODEL, REGION)
_OF_TENANT: Final = chosen(SERVICE, MODEL, TENANT, REGION)
_FAILURES: Final = promql.one_of(OUTCOME, [outcome.label for outcome in FAILED])


def overview(fleet: Fleet) -> Board:
    """Requests, failures and tails per model; what is left of each budget; what devices do."""
    return Board(
        uid=Uid.FLEET,
        title="Inference fleet",
        description=(
            "Are users well served, and where not? From a model's row go on to its latency, from an SLO to its "
            "budget, from a device to its board, from a tenant to what it costs."
        ),
        variables=(
            # Objectives of GPUs have neither.
            Variable(label=SERVICE, family=REQUESTS, optional=True),
            Variable(label=MODEL, family=REQUESTS, within=(SERVICE,), optional=True),
            Variable(label=TENANT, family=REQUESTS, within=(SERVICE, MODEL), optional=True),
            Variable(label=REGION, family=REQUESTS, within=(SERVICE, MODEL, TENANT), optional=True),
        ),
        rows=(
            Row(
                title="Promises, to all tenants in all regions",
                panels=(budget_panels.budget_left(fleet, *_CHOSEN), budget_panels.burn_rates(fleet, *_CHOSEN)),
            ),
            Row(title="Models", panels=(_models(), _requests(), _errors(), _tail(), _in_trouble(), _slowest())),
            Row(title="Load", panels=(_in_flight(), _devices())),
        ),
    )


def _models() -> Panel:
    return Panel(
        key="models",
        title="Models",
        description=(
            "One line per model, now; each hop counts for the model that served it. Open a model to see where its "
            "time goes. A model that fails or is slow beside others that are well has its own cause; when all turn "
            "bad together, look at what they share: devices, network, a release. p99 and p99.9 are those of the "
            "slowest version, of all tenants; device busy is the share of the time of its devices that the model had."
        ),
        unit=Show.COUNT,
        kind=Kind.TABLE,
        sql=sql.MODELS,
        sort="Failed",
        promql=(
            Query(expr=_rate(), legend="Requests/s", instant=True, show=Show.PER_SECOND),
            Query(expr=_error_ratio(), legend="Failed", instant=True, show=Show.RATIO),
            Query(expr=_worst(0.99), legend="p99", instant=True, show=Show.SECONDS),
            Query(expr=_worst(0.999), legend="p99.9", instant=True, show=Show.SECONDS),
            Query(expr=_busy(), legend="Device busy", instant=True, show=Show.RATIO),
            Query(
                expr=promql.select(recorded_costs.MODEL_PER_1K, *_CHOSEN),
                legend="Cost per 1k",
                instant=True,
                show=Show.USD,
            ),
        ),
        width=24,
    )


def _rate(*outcomes: Matcher) -> Expr:
    """Requests per second of each model, of the chosen tenants and regions: recorded series know neither."""
    asked = promql.select(REQUESTS, *_OF_TENANT, *outcomes)
    return promql.sum_by(promql.rate(asked, RATE_INTERVAL), *OF_MODEL)


def _error_ratio() -> Expr:
    return _rate(_FAILURES) / (_rate() > 0)


def _quantile(value: float) -> Expr:
    return quantile(value, REQUEST_DURATION, *_IN_REGION, by=(*OF_MODEL, VERSION))


def _worst(value: float) -> Expr:
    """A quantile of each model's slowest version."""
    return promql.max_by(_quantile(value), *OF_MODEL)


def _busy() -> Expr:
    """Device time of each model, as a share of the time of the devices that it ran on."""
    spent = promql.select(DEVICE_SECONDS, *_OF_TENANT)
    devices_used = promql.count_by(promql.group_by(spent, *OF_MODEL, DEVICE), *OF_MODEL)
    return promql.sum_by(promql.rate(spent, RATE_INTERVAL), *OF_MODEL) / devices_used


def _per_1k() -> Expr:
    """Marginal cost of 1,000 requests of each model."""
    spent = promql.sum_by(promql.rate(promql.select(COST, *_OF_TENANT), RATE_INTERVAL), *OF_MODEL)
    return spent / (_rate() > 0) * 1000


def _in_trouble() -> Panel:
    of = (*OF_MODEL, TENANT, REGION)
    failed = promql.sum_by(promql.increase(promql.select(REQUESTS, *_OF_TENANT, _FAILURES), RANGE), *of)
    requests = promql.sum_by(promql.increase(promql.select(REQUESTS, *_OF_TENANT), RANGE), *of)
    cost = promql.sum_by(promql.increase(promql.select(COST, *_OF_TENANT), RANGE), *of)
    return Panel(
        key="in-trouble",
        title="Who is in trouble: by model, tenant and region",
        description=(
            "Requests of the time that is shown; those who failed most on top. One tenant at several models: what it "
            "sends. One region at several models: its devices or its network. A region or tenant that is empty: "
            "nobody says it (INFEROMETER_REGION, `tenants` in fleet.yaml)."
        ),
        unit=Show.COUNT,
        kind=Kind.TABLE,
        promql=(
            Query(expr=requests > 0, legend="Requests", instant=True),
            Query(expr=failed / (requests > 0), legend="Failed", instant=True, show=Show.RATIO),
            Query(expr=cost / (requests > 0) * 1000, legend="Cost per 1k", instant=True, show=Show.USD),
        ),
        width=14,
        sort="Failed",
    )


def _slowest() -> Panel:
    of = (*OF_MODEL, REGION)
    return Panel(
        key="slowest-regions",
        title="p99 by model and region, now",
        description=(
            "From the newest scrapes, the slowest on top. A model that is slow in one region only: compare its "
            "devices there, and how far its callers are. Slow in all: the release, or the model itself."
        ),
        unit=Show.SECONDS,
        kind=Kind.TABLE,
        promql=(
            Query(expr=quantile(0.5, REQUEST_DURATION, *_IN_REGION, by=of), legend="Median", instant=True),
            Query(expr=quantile(0.99, REQUEST_DURATION, *_IN_REGION, by=of), legend="p99", instant=True),
        ),
        width=10,
        sort="p99",
    )


def _requests() -> Panel:
    return Panel(
        key="requests",
        title="Requests per second",
        description=(
            "Requests that ended, per model. A line that falls to 0 while others go on: callers of that model are "
            "gone or cannot reach it. All lines fall: look at what stands in front of the fleet."
        ),
        unit=Show.PER_SECOND,
        kind=Kind.LINES,
        sql=sql.REQUESTS,
        promql=(Query(expr=_rate(), legend=named(SERVICE, MODEL)),),
        width=8,
    )


def _errors() -> Panel:
    return Panel(
        key="errors",
        title="Failed requests",
        description=(
            "Share of requests that ended in an error of the server, a timeout or a refusal; faults of clients do "
            "not count. When it rises: find the model, open its failed traces in Jaeger from the line's link, and "
            "compare with the last release."
        ),
        unit=Show.RATIO,
        kind=Kind.LINES,
        sql=sql.ERRORS,
        promql=(Query(expr=_error_ratio(), legend=named(SERVICE, MODEL)),),
        width=8,
    )


def _tail() -> Panel:
    return Panel(
        key="tail",
        title="p99 of the duration",
        description=(
            "One request in a hundred takes longer, per model and version. A version above the one beside it: stop "
            "the rollout. One model above its usual level: its latency board shows which stage grew, and over weeks "
            "is quicker. Of all tenants: durations know none."
        ),
        unit=Show.SECONDS,
        kind=Kind.LINES,
        sql=latency.quantiles("duration", ("0.99",), SERVICE.name, MODEL.name, VERSION.name),
        promql=(Query(expr=_quantile(0.99), legend=named(SERVICE, MODEL, VERSION)),),
        width=8,
    )


def _in_flight() -> Panel:
    return Panel(
        key="in-flight",
        title="Requests in flight",
        description=(
            "Requests that are open now, per service. It rises with load or with latency; rising while requests per "
            "second do not: work piles up. Add replicas, or find the stage that grew."
        ),
        unit=Show.COUNT,
        kind=Kind.LINES,
        promql=(
            Query(
                expr=promql.sum_by(promql.select(IN_FLIGHT, *chosen(SERVICE, REGION)), SERVICE),
                legend=named(SERVICE),
            ),
        ),
    )


def _devices() -> Panel:
    spent = promql.rate(promql.select(devices.LEDGER), RATE_INTERVAL)
    return Panel(
        key="devices",
        title="What devices do",
        description=(
            "Share of each device's time by state; the states of a device sum to 100 %. Attributed near 100 %: it "
            "is full, add one or make batches larger. Mostly idle: it costs the same; the cost board says how much. "
            "Unobserved: the sidecar was down."
        ),
        unit=Show.RATIO,
        kind=Kind.STACK,
        sql=sql.DEVICES,
        promql=(Query(expr=promql.sum_by(spent, DEVICE, DEVICE_STATE), legend=named(DEVICE, DEVICE_STATE)),),
    )
