"""Rows of the board *Cost* about prices: where each comes from, and what the provider billed in the end."""

from typing import Final

from inferometer import promql
from inferometer.catalog import devices
from inferometer.catalog.labels import AS_OF, DAY, DEVICE, PRICE_KIND, PRICE_SOURCE
from inferometer.fleet.device_prices import STALE_DAYS
from inferometer_alerts import recorded_costs
from inferometer_alerts.device_alerts import RESIDUAL
from inferometer_dashboards.panels import RATE_INTERVAL, Colour, Kind, Panel, Query, Row, Show, Step, chosen, named
from inferometer_dashboards.sql import cost as sql

_ON_DEVICE: Final = chosen(DEVICE)
_DAY: Final = 86_400


def prices() -> Row:
    """Prices, their age, and what has none."""
    return Row(title="Prices", panels=(_prices(), _age(), _unpriced(), _residual()))


def billed() -> Row:
    """What the provider's bill says, once `inferometer cost true-up` has read it."""
    return Row(title="What was billed", collapsed=True, panels=(_as_billed(), _ratio(), _corrections()))


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


def _age() -> Panel:
    age = promql.time() - promql.max_by(promql.select(devices.PRICE_AS_OF, *_ON_DEVICE), DEVICE)
    return Panel(
        key="price-age",
        title="Age of prices",
        description=(
            f"How long ago each price was looked up. More than {STALE_DAYS} days: it may not hold any more, and every "
            "cost is in proportion to it; ask for today's and set `as_of` in fleet.yaml."
        ),
        unit=Show.AGE,
        kind=Kind.BARS,
        promql=(Query(expr=age, legend=named(DEVICE), instant=True),),
        steps=(Step(STALE_DAYS * _DAY, Colour.WATCH),),
        width=6,
    )


def _unpriced() -> Panel:
    seconds = promql.max_by(promql.rate(promql.select(devices.UNPRICED, *_ON_DEVICE), RATE_INTERVAL), DEVICE)
    return Panel(
        key="unpriced",
        title="Time without a price",
        description=(
            "Share of each device's time that no price matches. Not 0: its requests cost nothing that we know of, and "
            "no total has it; add an entry to `devices` in fleet.yaml."
        ),
        unit=Show.RATIO,
        kind=Kind.LINES,
        promql=(Query(expr=seconds, legend=named(DEVICE)),),
        width=6,
        maximum=1.0,
    )


def _residual() -> Panel:
    residual = promql.absolute(promql.max_by(promql.select(devices.LEDGER_RESIDUAL, *_ON_DEVICE), DEVICE))
    return Panel(
        key="residual",
        title="What the ledger misses",
        description=(
            "Share of each device's time that is in none of its states; it must be 0. Above the limit: costs of this "
            "device are wrong; report it, it is a defect of inferometer or its clock jumped."
        ),
        unit=Show.RATIO,
        kind=Kind.LINES,
        promql=(Query(expr=residual, legend=named(DEVICE)),),
        steps=(Step(float(RESIDUAL), Colour.ACT),),
    )


def _as_billed() -> Panel:
    ratio = promql.max_by(promql.select(devices.BILL_RATIO, *_ON_DEVICE), DEVICE)
    bill = promql.max_by(promql.select(recorded_costs.BILL, *_ON_DEVICE), DEVICE)
    known = promql.where(bill, ratio, on=(DEVICE,))
    factor = promql.sum_by(bill * ratio) / (promql.sum_by(known) > 0)
    return Panel(
        key="per-1k-billed",
        title="Per 1,000 requests, as billed",
        description=(
            "The loaded cost times what the provider billed by what the ledger says, of the devices that a bill is "
            "known of. Far from the loaded cost at the top: prices in fleet.yaml are not what is paid; correct them."
        ),
        unit=Show.USD,
        kind=Kind.STAT,
        promql=(Query(expr=promql.select(recorded_costs.FLEET_PER_1K_LOADED) * factor, instant=True),),
        width=6,
    )


def _ratio() -> Panel:
    return Panel(
        key="bill-ratio",
        title="Billed, of what the ledger says",
        description=(
            "Over all days that a bill was read of; 1 is a bill as expected. Below 1: a discount that fleet.yaml does "
            "not know. Above 1: charges for more than the device, such as disks or network, or an old price."
        ),
        unit=Show.MULTIPLE,
        kind=Kind.BARS,
        promql=(
            Query(
                expr=promql.max_by(promql.select(devices.BILL_RATIO, *_ON_DEVICE), DEVICE),
                legend=named(DEVICE),
                instant=True,
            ),
        ),
        width=6,
    )


def _corrections() -> Panel:
    by_day = promql.max_by(promql.select(devices.BILL_CORRECTION, *_ON_DEVICE), DEVICE, DAY)
    return Panel(
        key="bill-corrections",
        title="Billed more than counted, by day",
        description=(
            "What `inferometer cost true-up` found, the last 62 days; negative where less was billed. One day alone: "
            "a credit or a correction of the provider. Every day the same: the price is wrong. Empty: no bill was "
            "read yet."
        ),
        unit=Show.USD,
        kind=Kind.TABLE,
        promql=(Query(expr=by_day, legend="More than counted", instant=True),),
    )
