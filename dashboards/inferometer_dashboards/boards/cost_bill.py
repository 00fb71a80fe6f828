"""The row of the board *Cost* about the bill: which device, how idle, and what its time went into."""

from typing import Final

from inferometer import promql
from inferometer.catalog import devices
from inferometer.catalog.labels import DEVICE, DEVICE_STATE
from inferometer_alerts import recorded_costs
from inferometer_alerts.device_alerts import IDLE
from inferometer_dashboards.panels import (
    RATE_INTERVAL,
    Colour,
    Kind,
    Panel,
    Query,
    Row,
    Show,
    Step,
    chosen,
    named,
)
from inferometer_dashboards.sql import cost as sql
from inferometer_dashboards.sql.fleet import DEVICES as DEVICE_STATES

_ON_DEVICE: Final = chosen(DEVICE)
_SECONDS_PER_HOUR: Final = 3600
_PAID_BY_NOBODY: Final = ("warm_idle", "loading", "unallocated", "unobserved", "system")


def bill() -> Row:
    """What is paid, for which device and for what."""
    return Row(title="The bill", panels=(_bill(), _idle(), _ledger(), _idle_states()))


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
        promql=(Query(expr=promql.select(recorded_costs.IDLE_SHARE, *_ON_DEVICE), legend=named(DEVICE)),),
        steps=(Step(float(IDLE), Colour.WATCH),),
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


def _idle_states() -> Panel:
    paid = promql.one_of(DEVICE_STATE, _PAID_BY_NOBODY)
    spent = promql.max_by(
        promql.rate(promql.select(devices.LEDGER, *_ON_DEVICE, paid), RATE_INTERVAL), DEVICE, DEVICE_STATE
    )
    price = promql.max_by(promql.select(devices.PRICE, *_ON_DEVICE), DEVICE)
    cost = promql.multiply(spent, price, on=(DEVICE,))
    return Panel(
        key="idle-states",
        title="What nobody's requests pay for",
        description=(
            "Price of the chosen devices by the time that went into no request. warm_idle: let models sleep, or share "
            "the device. loading: keep models loaded. unallocated: give the device back. system: warm-up and probes; "
            "ask less often. unobserved: the sidecar was down."
        ),
        unit=Show.USD_PER_HOUR,
        kind=Kind.STACK,
        promql=(Query(expr=promql.sum_by(cost, DEVICE_STATE), legend=named(DEVICE_STATE)),),
    )
