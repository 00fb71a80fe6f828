"""Alerts on devices: a GPU that is held back or broken, and money that does not add up."""

from collections.abc import Iterator
from typing import Final

from inferometer import promql
from inferometer.catalog import devices
from inferometer.catalog.labels import DEVICE, ECC_KIND, THROTTLE_REASON, XID
from inferometer_alerts import recorded
from inferometer_alerts.rule import Alert, Board, Case, Severity
from inferometer_alerts.time_scale import TimeScale

# NVIDIA's catalogue of XID errors: these need a reset, a reboot or a new board. The rest comes from applications.
FATAL_XIDS: Final = ("48", "62", "63", "64", "74", "79", "92", "94", "95", "119", "120", "140")
_HELD_BACK: Final = 0.1
_BUSY: Final = 0.5
_RESIDUAL: Final = 0.01
_IDLE: Final = 0.95
_GPU: Final = promql.equal(DEVICE, "GPU-0b5b1c4e")
_HOST: Final = promql.equal(DEVICE, "cpu-host")


def alerts(scale: TimeScale) -> Iterator[Alert]:
    """A GPU that is held back, broken or lost; devices that idle or have no price; a ledger that does not add up."""
    yield _throttled(scale)
    yield _xid(scale, fatal=True)
    yield _xid(scale, fatal=False)
    yield _ecc(scale)
    yield _lost(scale)
    yield _idle()
    yield _unpriced(scale)
    yield _residual()


def _throttled(scale: TimeScale) -> Alert:
    window = scale.over("10m")
    held = promql.sum_by(promql.rate(promql.select(devices.GPU_THROTTLE), window), DEVICE, THROTTLE_REASON)
    busy = promql.max_by(promql.average_over_time(promql.select(devices.GPU_UTILIZATION), window), DEVICE)
    throttle = promql.select(devices.GPU_THROTTLE, _GPU, promql.equal(THROTTLE_REASON, "thermal")).text
    utilization = promql.select(devices.GPU_UTILIZATION, _GPU).text
    return Alert(
        name="GpuThrottledWhileBusy",
        expr=promql.where(held > _HELD_BACK, busy > _BUSY, on=(DEVICE,)),
        severity=Severity.TICKET,
        summary="GPU {{ $labels.device }} was held back {{ $value | humanizePercentage }} of the time.",
        description=(
            "Its clocks are held down ({{ $labels.reason }}) while it has work: every request on it takes longer. "
            "Heat, the power limit or the board itself is the cause."
        ),
        board=Board.COST,
        variables=(DEVICE,),
        hold="10m",
        cases=(
            Case(series={throttle: "0+3x160", utilization: "0.9x160"}, fires=("30m",), quiet=("5m",)),
            Case(series={throttle: "0+3x160", utilization: "0.1x160"}, quiet=("30m",)),
            Case(series={throttle: "0+1x160", utilization: "0.9x160"}, quiet=("30m",)),
        ),
    )


def _xid(scale: TimeScale, *, fatal: bool) -> Alert:
    known = promql.one_of(XID, FATAL_XIDS)
    which = known if fatal else promql.Matcher(XID, "!~", known.value)
    errors = promql.increase(promql.select(devices.GPU_XID_ERRORS, which), scale.over("10m"))
    name = "GpuXidFatal" if fatal else "GpuXidError"
    mine, other = ("79", "31") if fatal else ("31", "79")

    def series(xid: str) -> str:
        return promql.select(devices.GPU_XID_ERRORS, _GPU, promql.equal(XID, xid)).text

    return Alert(
        name=name,
        expr=promql.sum_by(errors, DEVICE, XID) > 0,
        severity=Severity.PAGE if fatal else Severity.TICKET,
        summary="GPU {{ $labels.device }} reports XID {{ $labels.xid }}.",
        description=(
            "The driver reports an error that ends what runs on this GPU; it needs a reset, a reboot or a new board."
            if fatal
            else "The driver reports an error that a program on this GPU usually causes: a fault in memory access "
            "or a channel that was taken down."
        ),
        board=Board.COST,
        variables=(DEVICE,),
        cases=(
            Case(series={series(mine): "0x20 1x100", series(other): "0x120"}, fires=("6m",), quiet=("4m", "20m")),
            Case(series={series(mine): "0x120", series(other): "0x20 1x100"}, quiet=("6m",)),
        ),
    )


def _ecc(scale: TimeScale) -> Alert:
    uncorrected = promql.select(devices.GPU_ECC_ERRORS, promql.equal(ECC_KIND, "uncorrected"))

    def series(kind: str) -> str:
        return promql.select(devices.GPU_ECC_ERRORS, _GPU, promql.equal(ECC_KIND, kind)).text

    return Alert(
        name="GpuEccUncorrected",
        expr=promql.sum_by(promql.increase(uncorrected, scale.over("10m")), DEVICE) > 0,
        severity=Severity.TICKET,
        summary="Memory of GPU {{ $labels.device }} had errors that could not be corrected.",
        description=(
            "{{ $value | humanize }} in the last 10m. What ran there was ended or has wrong numbers; the driver sets "
            "the rows aside, as far as there are spare ones."
        ),
        board=Board.COST,
        variables=(DEVICE,),
        cases=(
            Case(
                series={series("uncorrected"): "0x20 1x100", series("corrected"): "0x120"},
                fires=("6m",),
                quiet=("4m", "20m"),
            ),
            Case(series={series("uncorrected"): "0x120", series("corrected"): "0+5x120"}, quiet=("20m",)),
        ),
    )


def _lost(scale: TimeScale) -> Alert:
    before = promql.group_by(promql.max_over_time(promql.select(devices.GPU_INFO), scale.over("1h")), DEVICE)
    now = promql.group_by(promql.select(devices.GPU_INFO), DEVICE)
    series = promql.select(devices.GPU_INFO, _GPU).text
    return Alert(
        name="GpuLost",
        expr=promql.unless(before, now, on=(DEVICE,)),
        severity=Severity.PAGE,
        summary="GPU {{ $labels.device }} does not answer any more.",
        description=(
            "Its readings came within the last hour and do not come now: it fell off the bus, its driver was "
            "unloaded, or its host is gone. What ran there is lost, the other replicas carry its load."
        ),
        board=Board.COST,
        variables=(DEVICE,),
        hold="2m",
        cases=(
            Case(series={series: "1x40 _x200"}, fires=("20m",), quiet=("9m", "1h25m")),
            Case(series={series: "1x240"}, quiet=("20m",)),
        ),
    )


def _idle() -> Alert:
    share = promql.max_by(promql.select(recorded.IDLE_SHARE), DEVICE)
    bill = promql.max_by(promql.select(recorded.BILL), DEVICE)
    idle, billed = (promql.select(one, _GPU).text for one in (recorded.IDLE_SHARE, recorded.BILL))
    return Alert(
        name="DeviceIdleButBilled",
        expr=promql.both(share > _IDLE, bill > 0),
        severity=Severity.TICKET,
        summary="{{ $value | humanizePercentage }} of what {{ $labels.device }} costs bought nothing, for hours.",
        description=(
            "The device is paid for and no request used it. `inferometer cost idle` says what it did instead, and "
            "what stopping it would save."
        ),
        board=Board.COST,
        variables=(DEVICE,),
        hold="6h",
        cases=(
            Case(
                series={idle: "0.99x200", billed: "2.99x200"}, fires=("7h",), quiet=("5h",), step="5m", evaluation="15m"
            ),
            Case(series={idle: "0.8x200", billed: "2.99x200"}, quiet=("7h",), step="5m", evaluation="15m"),
        ),
    )


def _unpriced(scale: TimeScale) -> Alert:
    seconds = promql.increase(promql.select(devices.UNPRICED), scale.over("1h"))
    unpriced = promql.select(devices.UNPRICED, _HOST).text
    return Alert(
        name="DeviceUnpriced",
        expr=promql.sum_by(seconds, DEVICE) > 0,
        severity=Severity.TICKET,
        summary="Device {{ $labels.device }} has no price: its requests count as costing nothing.",
        description=(
            "No entry of `devices` in fleet.yaml matches this device. {{ $value | humanizeDuration }} of the last "
            "hour are in no bill and in no cost per request."
        ),
        board=Board.COST,
        variables=(DEVICE,),
        hold="10m",
        cases=(
            Case(
                series={unpriced: "0+15x120"},
                fires=("15m",),
                quiet=("5m",),
            ),
            Case(series={unpriced: "0x120"}, quiet=("15m",)),
        ),
    )


def _residual() -> Alert:
    residual = promql.absolute(promql.max_by(promql.select(devices.LEDGER_RESIDUAL), DEVICE))
    series = promql.select(devices.LEDGER_RESIDUAL, _HOST).text
    return Alert(
        name="DeviceLedgerResidual",
        expr=residual > _RESIDUAL,
        severity=Severity.TICKET,
        summary="The ledger of {{ $labels.device }} misses {{ $value | humanizePercentage }} of its time.",
        description=(
            "The states of the ledger must sum to wall time. They do not, so costs of this device are wrong: this "
            "is a defect of inferometer, or its clock jumped."
        ),
        board=Board.COST,
        variables=(DEVICE,),
        hold="10m",
        cases=(
            Case(series={series: "0.02x120"}, fires=("15m",), quiet=("5m",)),
            Case(series={series: "-0.02x120"}, fires=("15m",)),
            Case(series={series: "0.005x120"}, quiet=("15m",)),
        ),
    )
