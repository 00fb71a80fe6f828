"""Alerts on billed devices: money for nothing, no price or an old one, a ledger that does not add up."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog import devices
from inferometer.catalog.labels import DEVICE
from inferometer.fleet.device_prices import STALE_DAYS
from inferometer_alerts import recorded_costs
from inferometer_alerts.rule import Alert, Board, Case, Severity
from inferometer_alerts.rule_labels import INSTANCE
from inferometer_alerts.rule_series import Scraped
from inferometer_alerts.time_scale import TimeScale

RESIDUAL: Final = Decimal("0.01")
IDLE: Final = Decimal("0.95")
_DAY: Final = 86_400
_GPU: Final = promql.equal(DEVICE, "GPU-0b5b1c4e")
_HOST: Final = promql.equal(DEVICE, "cpu-host")


def alerts(scale: TimeScale) -> Iterator[Alert]:
    """Devices that idle or have no price of today; a ledger that does not add up."""
    yield _idle()
    yield _unpriced(scale)
    yield _stale()
    yield _residual()


def _idle() -> Alert:
    share = promql.max_by(promql.select(recorded_costs.IDLE_SHARE), DEVICE)
    bill = promql.max_by(promql.select(recorded_costs.BILL), DEVICE)

    def case(idle: str, bill: str = "2.99", fires: tuple[str, ...] = (), quiet: tuple[str, ...] = ()) -> Case:
        series = {
            promql.select(recorded_costs.IDLE_SHARE, _GPU).text: idle,
            promql.select(recorded_costs.BILL, _GPU).text: f"{bill}x200",
        }
        return Case(series=series, step="5m", evaluation="15m", fires=fires, quiet=quiet)

    return Alert(
        name="DeviceIdleButBilled",
        expr=promql.both(share > IDLE, bill > 0),
        severity=Severity.TICKET,
        summary="{{ $value | humanizePercentage }} of what {{ $labels.device }} costs bought nothing, for hours.",
        description=(
            "The device is paid for and no request used it. `inferometer cost idle` says what it did instead, and "
            "what stopping it would save."
        ),
        board=Board.COST,
        variables=(DEVICE,),
        hold="6h",
        shows="6h",
        cases=(
            case("0.97x200", fires=("7h",), quiet=("5h",)),
            case("0.93x200", quiet=("7h",)),
            # One busy hour, and it begins anew.
            case("1x60 0.5x12 1x128", quiet=("5h", "7h", "11h"), fires=("13h",)),
            case("1x200", bill="0.2", fires=("7h",)),
            case("1x200", bill="0", quiet=("7h",)),
        ),
    )


def _unpriced(scale: TimeScale) -> Alert:
    seconds = promql.increase(promql.select(devices.UNPRICED), scale.over("1h"))
    unpriced = promql.select(devices.UNPRICED, _HOST).text
    return Alert(
        name="DeviceUnpriced",
        expr=promql.max_by(seconds, DEVICE) > 0,
        severity=Severity.TICKET,
        summary=(
            "{{ $value | humanizeDuration }} of device {{ $labels.device }} have no price: requests there count as "
            "costing nothing."
        ),
        description=(
            "In the last hour. No entry of `devices` in fleet.yaml matches this device, so it is in no bill and in no "
            "cost per request."
        ),
        board=Board.COST,
        variables=(DEVICE,),
        hold="10m",
        cases=(
            Case(series={unpriced: "0+15x120"}, fires=("15m",), quiet=("8m",)),
            Case(series={unpriced: "0x120"}, quiet=("15m",)),
            Case(series={unpriced: "0+0.003x120"}, fires=("15m",)),
            # A price was found after half an hour; the seconds before it leave the window an hour later.
            Case(series={unpriced: "0+15x120 1800x300"}, fires=("1h25m",), quiet=("1h35m",)),
            Case(series={unpriced: "900x20 0x100"}, quiet=("15m",)),
        ),
    )


def _stale() -> Alert:
    age = promql.time() - promql.max_by(promql.select(devices.PRICE_AS_OF), DEVICE)
    series = promql.select(devices.PRICE_AS_OF, _GPU).text

    def case(days: float, fires: tuple[str, ...] = (), quiet: tuple[str, ...] = ()) -> Case:
        # The clock of a test begins at 0, in 1970.
        return Case(series={series: f"-{days * _DAY:.0f}x100"}, step="5m", evaluation="15m", fires=fires, quiet=quiet)

    return Alert(
        name="DevicePriceStale",
        expr=age > STALE_DAYS * _DAY,
        severity=Severity.TICKET,
        summary="The price of {{ $labels.device }} is {{ $value | humanizeDuration }} old.",
        description=(
            f"Prices of more than {STALE_DAYS} days may not hold any more, and every cost per request is in "
            "proportion to them. The date is `as_of` of the entry in fleet.yaml, or of the price book."
        ),
        board=Board.COST,
        variables=(DEVICE,),
        hold="1h",
        cases=(
            case(STALE_DAYS * 1.02, fires=("90m",), quiet=("45m",)),
            case(STALE_DAYS * 0.98, quiet=("90m",)),
            # Two sidecars have one; what counts is the newest.
            Case(
                series={
                    promql.select(Scraped(devices.PRICE_AS_OF), _GPU, promql.equal(INSTANCE, sidecar)).text: (
                        f"-{days * _DAY:.0f}x100"
                    )
                    for sidecar, days in (("a:9464", STALE_DAYS * 1.02), ("b:9464", STALE_DAYS * 0.98))
                },
                step="5m",
                evaluation="15m",
                quiet=("90m",),
            ),
        ),
    )


def _residual() -> Alert:
    residual = promql.absolute(promql.max_by(promql.select(devices.LEDGER_RESIDUAL), DEVICE))
    series = promql.select(devices.LEDGER_RESIDUAL, _HOST).text
    return Alert(
        name="DeviceLedgerResidual",
        expr=residual > RESIDUAL,
        severity=Severity.TICKET,
        summary="The ledger of {{ $labels.device }} misses {{ $value | humanizePercentage }} of its time.",
        description=(
            "The states of the ledger must sum to wall time. They do not, so costs of this device are wrong: this "
            "is a defect of inferometer, or its clock jumped."
        ),
        board=Board.SELF,
        variables=(DEVICE,),
        hold="10m",
        cases=(
            Case(series={series: "0.011x120"}, fires=("12m",), quiet=("8m",)),
            Case(series={series: "-0.02x120"}, fires=("15m",)),
            Case(series={series: "0.009x120"}, quiet=("15m",)),
            Case(series={series: "0.02x60 0x60"}, fires=("14m",), quiet=("16m",)),
            # Two tell of the same device.
            Case(
                series={
                    promql.select(Scraped(devices.LEDGER_RESIDUAL), _HOST, promql.equal(INSTANCE, sidecar)).text: (
                        "0.006x120"
                    )
                    for sidecar in ("a:9464", "b:9464")
                },
                quiet=("15m",),
            ),
        ),
    )
