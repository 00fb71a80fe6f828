"""The board *Cost*: what do a thousand requests cost, and what is paid for nothing?"""

from inferometer import promql
from inferometer.catalog import devices
from inferometer.catalog.labels import AS_OF, DEVICE, DEVICE_STATE, MODEL, PRICE_KIND, PRICE_SOURCE, SERVICE, TENANT
from inferometer.catalog.requests import COST, REQUESTS
from inferometer_alerts import recorded
from inferometer_alerts.recorded import OF_MODEL
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
from inferometer_dashboards.sql import cost as sql
from inferometer_dashboards.sql.fleet import DEVICES as DEVICE_STATES

_CHOSEN = chosen(SERVICE, MODEL)
_ON_DEVICE = chosen(DEVICE)
_SECONDS_PER_HOUR = 3600


def cost() -> Board:
    """Cost per 1,000 requests, the bill behind it, idle money and prices."""
    return Board(
        uid=Uid.COST,
        title="Inference cost",
        description=(
            "Marginal cost is the device time that requests used, at its price. Loaded cost adds idle, loading and "
            "system time, so that it sums to the bill."
        ),
        variables=(
            Variable(label=SERVICE, family=REQUESTS),
            Variable(label=MODEL, family=REQUESTS, within=(SERVICE,)),
            Variable(label=DEVICE, family=devices.LEDGER),
        ),
        rows=(
            Row(title="Now", panels=(_fleet_now(), _fleet_loaded_now(), _bill_now(), _idle_now())),
            Row(title="Per 1,000 requests", panels=(_models(), _tenants(), _fleet(), _spend())),
            Row(title="The bill", panels=(_bill(), _idle(), _ledger(), _prices())),
        ),
    )


def _fleet_now() -> Panel:
    return Panel(
        key="per-1k",
        title="Per 1,000 requests, marginal",
        description=(
            "Device time that 1,000 requests from outside used, at its price. When it rises: requests became "
            "heavier or batches smaller; the models below show whose."
        ),
        unit=Show.USD,
        kind=Kind.STAT,
        sql=sql.PER_1K,
        promql=(Query(expr=promql.select(recorded.FLEET_PER_1K), instant=True),),
        width=6,
        height=4,
    )


def _fleet_loaded_now() -> Panel:
    return Panel(
        key="per-1k-loaded",
        title="Per 1,000 requests, loaded",
        description=(
            "The whole bill per 1,000 requests from outside. Far above the marginal cost: devices are paid for and "
            "not used; fewer of them, or more work on them."
        ),
        unit=Show.USD,
        kind=Kind.STAT,
        sql=sql.PER_1K_LOADED,
        promql=(Query(expr=promql.select(recorded.FLEET_PER_1K_LOADED), instant=True),),
        width=6,
        height=4,
    )


def _bill_now() -> Panel:
    return Panel(
        key="bill-now",
        title="Bill",
        description=(
            "What the chosen devices cost per hour. Other than expected: compare prices and devices at the bottom."
        ),
        unit=Show.USD_PER_HOUR,
        kind=Kind.STAT,
        sql=sql.BILL_NOW,
        promql=(
            Query(
                expr=promql.sum_by(promql.rate(promql.select(devices.BILL, *_ON_DEVICE), RATE_INTERVAL))
                * _SECONDS_PER_HOUR,
                instant=True,
            ),
        ),
        width=6,
        height=4,
    )


def _idle_now() -> Panel:
    return Panel(
        key="idle-now",
        title="Idle",
        description=(
            "Share of the fleet's bill that no request and no system work used. High day and night: too many "
            "devices, or too big ones. High at night only: scale down."
        ),
        unit=Show.RATIO,
        kind=Kind.STAT,
        sql=sql.IDLE_NOW,
        promql=(Query(expr=promql.select(recorded.FLEET_IDLE_SHARE), instant=True),),
        width=6,
        height=4,
    )


def _models() -> Panel:
    return Panel(
        key="models",
        title="By model",
        description=(
            "Cost of 1,000 requests to each model. A model that got dearer: open its latency board; execute grew, "
            "or its batches shrank. Marginal steady and loaded rising: the fleet idles."
        ),
        unit=Show.USD,
        kind=Kind.TABLE,
        sql=sql.MODELS,
        promql=(
            Query(expr=promql.select(recorded.MODEL_PER_1K, *_CHOSEN), legend="Marginal", instant=True),
            Query(expr=promql.select(recorded.MODEL_PER_1K_LOADED, *_CHOSEN), legend="Loaded", instant=True),
        ),
    )


def _tenants() -> Panel:
    return Panel(
        key="tenants",
        title="By tenant",
        description=(
            "Cost of 1,000 requests of each tenant from outside. One tenant far above the others: its requests are "
            "larger or reach dearer models. `other` large: name more tenants in fleet.yaml."
        ),
        unit=Show.USD,
        kind=Kind.TABLE,
        sql=sql.TENANTS,
        promql=(
            Query(expr=promql.select(recorded.TENANT_PER_1K), legend="Marginal", instant=True),
            Query(expr=promql.select(recorded.TENANT_PER_1K_LOADED), legend="Loaded", instant=True),
        ),
    )


def _fleet() -> Panel:
    return Panel(
        key="per-1k-models-tenants",
        title="Loaded, by model and tenant",
        description=(
            "Cost of 1,000 requests with their share of the whole bill. A step up at a release: compare versions on "
            "the latency board. All lines rise together: less traffic carries the same bill."
        ),
        unit=Show.USD,
        kind=Kind.LINES,
        sql=sql.MODELS_TENANTS,
        promql=(
            Query(
                expr=promql.select(recorded.MODEL_TENANT_PER_1K_LOADED, *_CHOSEN),
                legend=named(SERVICE, MODEL, TENANT),
            ),
        ),
    )


def _spend() -> Panel:
    spent = promql.rate(promql.select(COST, *_CHOSEN), RATE_INTERVAL)
    return Panel(
        key="spend",
        title="What requests use of the bill",
        description=(
            "Marginal cost per hour, by model. The largest area is where an optimisation pays. An area that grows "
            "without more requests: requests became heavier."
        ),
        unit=Show.USD_PER_HOUR,
        kind=Kind.STACK,
        sql=sql.SPEND,
        promql=(Query(expr=promql.sum_by(spent, *OF_MODEL) * _SECONDS_PER_HOUR, legend=named(SERVICE, MODEL)),),
    )


def _bill() -> Panel:
    rate = promql.rate(promql.select(devices.BILL, *_ON_DEVICE), RATE_INTERVAL)
    return Panel(
        key="bill",
        title="Bill per device",
        description=(
            "Price times wall time. A device that you do not know: somebody left it running. A gap: the sidecar was "
            "down; the time is counted as unobserved when it is back."
        ),
        unit=Show.USD_PER_HOUR,
        kind=Kind.STACK,
        sql=sql.BILL,
        promql=(Query(expr=promql.sum_by(rate, DEVICE) * _SECONDS_PER_HOUR, legend=named(DEVICE)),),
    )


def _idle() -> Panel:
    return Panel(
        key="idle",
        title="Idle share per device",
        description=(
            "Share of the bill that nothing used. Near 100 % for days: give the device back. Uneven across devices "
            "of one kind: requests are not spread evenly."
        ),
        unit=Show.RATIO,
        kind=Kind.LINES,
        sql=sql.IDLE,
        promql=(Query(expr=promql.select(recorded.IDLE_SHARE, *_ON_DEVICE), legend=named(DEVICE)),),
        maximum=1.0,
    )


def _ledger() -> Panel:
    spent = promql.rate(promql.select(devices.LEDGER, *_ON_DEVICE), RATE_INTERVAL)
    return Panel(
        key="ledger",
        title="Device time by state",
        description=(
            "Every second of every device has one state. Warm idle: ready and unused. Loading: models come and go "
            "too often. Unallocated: no worker holds it. Unobserved: nobody measured; see to the sidecar first."
        ),
        unit=Show.RATIO,
        kind=Kind.STACK,
        sql=DEVICE_STATES,
        promql=(Query(expr=promql.sum_by(spent, DEVICE, DEVICE_STATE), legend=named(DEVICE, DEVICE_STATE)),),
    )


def _prices() -> Panel:
    info = promql.group_by(promql.select(devices.PRICE_INFO, *_ON_DEVICE), DEVICE, PRICE_SOURCE, AS_OF, PRICE_KIND)
    price = promql.max_by(promql.select(devices.PRICE, *_ON_DEVICE), DEVICE)
    return Panel(
        key="prices",
        title="Prices",
        description=(
            "The price of each device, and how it is known; fleet.yaml has them. Old, or missing for a device: "
            "every figure above is wrong by as much. Correct fleet.yaml and run `inferometer generate`."
        ),
        unit=Show.USD_PER_HOUR,
        kind=Kind.TABLE,
        sql=sql.PRICES,
        promql=(Query(expr=promql.multiply(info, price, on=(DEVICE,)), legend="Per hour", instant=True),),
    )
