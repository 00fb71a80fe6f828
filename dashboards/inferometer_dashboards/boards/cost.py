"""The board *Cost*: what do a thousand requests cost, and what is paid for nothing?"""

from typing import Final

from inferometer import promql
from inferometer.catalog import devices
from inferometer.catalog.labels import DEVICE, MODEL, SERVICE, TENANT
from inferometer.catalog.requests import COST, REQUEST_COST, REQUESTS
from inferometer.fleet.budgets import HOURS_PER_MONTH
from inferometer.fleet.model import Fleet
from inferometer_alerts import recorded_costs
from inferometer_alerts.rule import Board as Uid
from inferometer_alerts.rule_labels import OF_MODEL
from inferometer_dashboards.boards import cost_bill, cost_budgets, cost_prices, cost_waste
from inferometer_dashboards.boards.histograms import spread
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

_CHOSEN: Final = chosen(SERVICE, MODEL)
_OF_TENANT: Final = chosen(TENANT)
_ON_DEVICE: Final = chosen(DEVICE)
_SECONDS_PER_HOUR: Final = 3600


def cost(fleet: Fleet) -> Board:
    """Cost per 1,000 requests, the bill behind it, what is wasted, prices, and budgets where the fleet has some."""
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
            Variable(label=TENANT, family=REQUESTS, within=(SERVICE, MODEL), optional=True),
            Variable(label=DEVICE, family=devices.LEDGER),
        ),
        rows=(
            Row(title="Now", panels=(_fleet_now(), _fleet_loaded_now(), _bill_now(), _idle_now(), _month())),
            Row(title="Per 1,000 requests", panels=(_models(), _tenants(), _fleet(), _spend(), _each(), _of_tenants())),
            cost_bill.bill(),
            cost_waste.waste(),
            *([cost_budgets.budgets()] if fleet.budgets else []),
            cost_prices.prices(),
            cost_prices.billed(),
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
        promql=(Query(expr=promql.select(recorded_costs.FLEET_PER_1K), instant=True),),
        width=5,
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
        promql=(Query(expr=promql.select(recorded_costs.FLEET_PER_1K_LOADED), instant=True),),
        width=5,
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
        width=5,
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
        promql=(Query(expr=promql.select(recorded_costs.FLEET_IDLE_SHARE), instant=True),),
        width=5,
        height=4,
    )


def _month() -> Panel:
    return Panel(
        key="month",
        title="A month at this pace",
        description=(
            "What 730 hours like the last one cost. More than is planned: see the budgets below, or write some into "
            "fleet.yaml (`budgets`), so that a whole week and not one hour is held against them."
        ),
        unit=Show.USD,
        kind=Kind.STAT,
        promql=(
            Query(
                expr=promql.sum_by(promql.select(recorded_costs.BILL, *_ON_DEVICE)) * HOURS_PER_MONTH,
                instant=True,
            ),
        ),
        width=4,
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
            Query(expr=promql.select(recorded_costs.MODEL_PER_1K, *_CHOSEN), legend="Marginal", instant=True),
            Query(expr=promql.select(recorded_costs.MODEL_PER_1K_LOADED, *_CHOSEN), legend="Loaded", instant=True),
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
            Query(expr=promql.select(recorded_costs.TENANT_PER_1K, *_OF_TENANT), legend="Marginal", instant=True),
            Query(expr=promql.select(recorded_costs.TENANT_PER_1K_LOADED, *_OF_TENANT), legend="Loaded", instant=True),
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
                expr=promql.select(recorded_costs.MODEL_TENANT_PER_1K_LOADED, *_CHOSEN, *_OF_TENANT),
                legend=named(SERVICE, MODEL, TENANT),
            ),
        ),
    )


def _spend() -> Panel:
    spent = promql.rate(promql.select(COST, *_CHOSEN, *_OF_TENANT), RATE_INTERVAL)
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


def _each() -> Panel:
    return Panel(
        key="request-cost",
        title="What one request costs",
        description=(
            "Mean, median and p99 of the marginal cost of single requests; each dot is a request whose trace was "
            "kept. Dots far above the line: click one, its waterfall says on which device the time went. p99 far "
            "above the median: a few large requests pay for themselves; give them a tenant or a class."
        ),
        unit=Show.USD,
        kind=Kind.LINES,
        promql=spread(REQUEST_COST, *_CHOSEN, by=OF_MODEL),
    )


def _of_tenants() -> Panel:
    spent = promql.rate(promql.select(COST, *_CHOSEN, *_OF_TENANT), RATE_INTERVAL)
    return Panel(
        key="tenant-spend",
        title="What tenants use of the bill",
        description=(
            "Marginal cost per hour, by tenant. One that grows without more requests: its requests became heavier. "
            "Its share here is its share of idle time, too: that is how loaded cost is divided."
        ),
        unit=Show.USD_PER_HOUR,
        kind=Kind.STACK,
        promql=(Query(expr=promql.sum_by(spent, TENANT) * _SECONDS_PER_HOUR, legend=named(TENANT)),),
    )
