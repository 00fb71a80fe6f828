"""Alerts on GPUs: held back, full, broken, lost.

XIDs are counted one by one by the sidecar, so a repeated one rises; the driver's own gauge holds the last code for
ever and would not show it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog import devices
from inferometer.catalog.labels import DEVICE, ECC_KIND, PARENT, THROTTLE_REASON, XID
from inferometer.catalog.model import Label
from inferometer.catalog.requests import DEVICE_SECONDS
from inferometer.promql import Expr, Matcher
from inferometer_alerts import recorded
from inferometer_alerts.recorded import INSTANCE, JOB, Scraped
from inferometer_alerts.rule import Alert, Board, Case, Severity
from inferometer_alerts.time_scale import TimeScale
from inferometer_alerts.traffic_alerts import SCRAPE_JOB

HELD_BACK: Final = Decimal("0.1")
AT_POWER_LIMIT: Final = Decimal("0.5")
"""Boards reach their power limit in short bursts of every heavy kernel; half of the time is a limit that is too low."""
_BUSY: Final = Decimal("0.5")
FULL: Final = Decimal("0.95")
_GROWS: Final = Decimal("0.005")
"""Of the whole memory in a quarter of an hour: what a server took when it started does not grow."""
_GPU: Final = promql.equal(DEVICE, "GPU-0b5b1c4e")
_INSTANCE: Final = promql.equal(INSTANCE, "sidecar:9464")
_OURS: Final = promql.equal(JOB, SCRAPE_JOB)


@dataclass(frozen=True, slots=True, kw_only=True)
class _XidClass:
    """XIDs that ask for the same: NVIDIA's catalogue of XID errors says what each means."""

    alert: str
    codes: tuple[str, ...]
    severity: Severity
    window: str
    description: str
    example: str


XID_CLASSES: Final = (
    _XidClass(
        alert="GpuXidFatal",
        # Double-bit ECC, halted microcontroller, failed retirement, off the bus, uncontained ECC, GSP (twice), ECC.
        codes=("48", "62", "64", "79", "95", "119", "120", "140"),
        severity=Severity.PAGE,
        window="1h",
        description=(
            "The driver reports an error after which nothing runs on this GPU until it is reset, its host is "
            "rebooted, or the board is replaced."
        ),
        example="79",
    ),
    _XidClass(
        alert="GpuXidNvlink",
        codes=("74",),
        severity=Severity.PAGE,
        window="1h",
        description=(
            "The driver reports an error of an NVLink. What runs on several GPUs at once hangs or ends; the GPUs on "
            "both ends need a reset."
        ),
        example="74",
    ),
    _XidClass(
        alert="GpuXidMemory",
        # Rows set aside, many corrected errors, a contained error.
        codes=("63", "92", "94"),
        severity=Severity.TICKET,
        window="1h",
        description=(
            "The driver sets faulty memory aside, or ended the program that used it. The GPU works on; spare rows "
            "are taken into use at its next reset."
        ),
        example="63",
    ),
)
_NAMED: Final = tuple(code for of_class in XID_CLASSES for code in of_class.codes)
BROKEN: Final = ("GpuLost", *(one.alert for one in XID_CLASSES if one.severity is Severity.PAGE))
"""Alerts after which nothing runs on a GPU."""


def alerts(scale: TimeScale) -> Iterator[Alert]:
    """A GPU that is held back or full, that reports errors, that is gone."""
    yield _throttled(scale)
    yield _full(scale)
    for of_class in XID_CLASSES:
        yield _xid(of_class, scale)
    yield _xid_error(scale)
    yield _ecc(scale)
    yield _lost(scale)
    yield _instance_gone(scale)


def _throttled(scale: TimeScale) -> Alert:
    window = scale.over("10m")

    def held(*reasons: str) -> Expr:
        of = promql.select(devices.GPU_THROTTLE, promql.one_of(THROTTLE_REASON, reasons))
        # Two may tell of one device; it is not held back twice as long.
        return promql.max_by(promql.rate(of, window), DEVICE, THROTTLE_REASON)

    def case(
        reason: str,
        per_step: str,
        utilization: str = "0.9x160",
        *,
        fires: tuple[str, ...] = (),
        quiet: tuple[str, ...] = (),
    ) -> Case:
        throttle = promql.select(devices.GPU_THROTTLE, _GPU, promql.equal(THROTTLE_REASON, reason)).text
        used = promql.select(devices.GPU_UTILIZATION, _GPU).text
        return Case(series={throttle: per_step, used: utilization}, fires=fires, quiet=quiet)

    busy = promql.max_by(promql.average_over_time(promql.select(devices.GPU_UTILIZATION), window), DEVICE)
    over = promql.either(held("thermal", "hardware", "other") > HELD_BACK, held("power_cap") > AT_POWER_LIMIT)
    return Alert(
        name="GpuThrottledWhileBusy",
        expr=promql.where(over, busy > _BUSY, on=(DEVICE,)),
        severity=Severity.TICKET,
        summary="GPU {{ $labels.device }} was held back {{ $value | humanizePercentage }} of the time.",
        description=(
            "Its clocks are held down ({{ $labels.reason }}) while it has work: every request on it takes longer. "
            "Heat, the power limit or the board itself is the cause."
        ),
        board=Board.GPU,
        variables=(DEVICE,),
        hold="10m",
        cases=(
            case("thermal", "0+1.7x160", fires=("20m",), quiet=("17m",)),
            case("thermal", "0+1.3x160", quiet=("30m",)),
            case("hardware", "0+3x60 180x100", fires=("19m",), quiet=("21m",)),
            case("power_cap", "0+12x60 720x100", fires=("18m",), quiet=("20m",)),
            # Busy for a minute.
            case("thermal", "0+3x160", utilization="0.1x100 0.9x5 0.1x55", quiet=("36m",)),
            # Another GPU is busy.
            Case(
                series={
                    promql.select(devices.GPU_THROTTLE, _GPU, promql.equal(THROTTLE_REASON, "thermal")).text: "0+3x160",
                    promql.select(devices.GPU_UTILIZATION, _GPU).text: "0.1x160",
                    promql.select(devices.GPU_UTILIZATION, promql.equal(DEVICE, "GPU-1")).text: "0.9x160",
                },
                quiet=("30m",),
            ),
            # Two tell of the same GPU: it is held back 8 % of the time, and busy 30 % of it.
            *(
                Case(
                    series={
                        promql.select(Scraped(series), _GPU, *more, promql.equal(INSTANCE, instance)).text: values
                        for instance in ("a:9464", "b:9464")
                        for series, more, values in (
                            (devices.GPU_THROTTLE, (promql.equal(THROTTLE_REASON, reason),), held_back),
                            (devices.GPU_UTILIZATION, (), used),
                        )
                    },
                    quiet=("30m",),
                )
                for reason, held_back, used in (
                    ("thermal", "0+1.2x160", "0.9x160"),
                    ("power_cap", "0+6x160", "0.9x160"),
                    ("thermal", "0+3x160", "0.3x160"),
                )
            ),
            case("other", "0+1.7x160", fires=("30m",)),
            case("power_cap", "0+8x160", fires=("30m",), quiet=("8m",)),
            case("power_cap", "0+7x160", quiet=("30m",)),
            case("sync_boost", "0+15x160", quiet=("30m",)),
            case("thermal", "0+3x160", utilization="0.45x160", quiet=("30m",)),
            case("thermal", "0+3x160", utilization="0.55x160", fires=("30m",)),
            # The sidecar was started anew without its state: a fall is no time.
            case("thermal", "300x60 0x100", quiet=("18m", "30m")),
        ),
    )


def _full(scale: TimeScale) -> Alert:
    quarter, half = scale.over("15m"), scale.over("30m")
    total = promql.max_by(promql.select(devices.GPU_MEMORY_TOTAL), DEVICE)
    used = promql.select(devices.GPU_MEMORY_USED)
    now, before, earlier = (
        promql.max_by(each, DEVICE) for each in (used, promql.offset(used, quarter), promql.offset(used, half))
    )

    def case(values: str, fires: tuple[str, ...] = (), quiet: tuple[str, ...] = ()) -> Case:
        series = {
            promql.select(devices.GPU_MEMORY_USED, _GPU).text: values,
            promql.select(devices.GPU_MEMORY_TOTAL, _GPU).text: "100x400",
        }
        return Case(series=series, fires=fires, quiet=quiet)

    return Alert(
        name="GpuMemoryNearlyFull",
        expr=promql.both(now / total > FULL, (now - before) / total > _GROWS, (before - earlier) / total > _GROWS),
        severity=Severity.TICKET,
        summary="Memory of GPU {{ $labels.device }} is {{ $value | humanizePercentage }} full, and grows.",
        description=(
            "It grew in each of the last two quarters of an hour, so it is no server that took all it may have at "
            "its start: something is kept that should be freed, or inputs grow. When it is full, requests fail."
        ),
        board=Board.GPU,
        variables=(DEVICE,),
        hold="5m",
        cases=(
            # 0.4 % a minute from 70 %: 95 % after 62.5 minutes.
            case("70+0.1x290 99x100", fires=("69m",), quiet=("62m", "1h35m")),
            case("96+0.01x350", fires=("40m",), quiet=("25m",)),
            # A server that takes its memory at once, or while it loads its weights for six minutes.
            case("20x80 97x320", quiet=("22m", "34m", "45m", "52m", "1h15m")),
            case("20x80 20+3.2x24 97x296", quiet=("24m", "30m", "38m", "40m", "45m", "52m")),
            case("90+0.012x400", quiet=("1h",)),
            # Two tell of the same GPU.
            *(
                Case(
                    series={
                        promql.select(Scraped(series), _GPU, promql.equal(INSTANCE, instance)).text: values
                        for instance in ("a:9464", "b:9464")
                        for series, values in (
                            (devices.GPU_MEMORY_USED, used),
                            (devices.GPU_MEMORY_TOTAL, "100x240"),
                        )
                    },
                    fires=fires,
                    quiet=quiet,
                )
                for used, fires, quiet in (("60+0.1x240", (), ("55m",)), ("94+0.02x240", ("55m",), ()))
            ),
            # A little growth is what a cache does.
            case("97+0.0075x400", quiet=("1h",)),
            case("97+0.01x160 98.6x60", fires=("37m",), quiet=("45m",)),
        ),
    )


def _of_xid(code: str) -> str:
    return promql.select(devices.GPU_XID_ERRORS, _GPU, promql.equal(XID, code)).text


def _xid(of_class: _XidClass, scale: TimeScale) -> Alert:
    errors = promql.select(devices.GPU_XID_ERRORS, promql.one_of(XID, of_class.codes))
    others = {_of_xid(code): "0x20 1x20" for code in ("13", *_NAMED) if code not in of_class.codes}
    return Alert(
        name=of_class.alert,
        expr=promql.sum_by(promql.increase(errors, scale.over(of_class.window)), DEVICE, XID) > 0,
        severity=of_class.severity,
        summary="GPU {{ $labels.device }} reports XID {{ $labels.xid }}, {{ $value | humanize }} in the last hour.",
        description=of_class.description,
        board=Board.COST,
        variables=(DEVICE,),
        cases=(
            *(
                Case(series={_of_xid(code): "0x20 1x20"}, only=(_GPU,), fires=("6m",), quiet=("4m",))
                for code in of_class.codes
            ),
            Case(series=others, quiet=("6m",)),
            Case(series={_of_xid(of_class.example): "0x20 1x270"}, fires=("1h3m",), quiet=("1h8m",)),
            # The second one counts like the first; a sidecar without its state is no error.
            Case(series={_of_xid(of_class.example): "1x300 2x100"}, fires=("1h17m",), quiet=("1h14m",)),
            Case(series={_of_xid(of_class.example): "3x20 0x100"}, quiet=("4m", "6m")),
        ),
    )


def _xid_error(scale: TimeScale) -> Alert:
    rest = Matcher(XID, "!~", promql.one_of(XID, _NAMED).value)
    errors = promql.increase(promql.select(devices.GPU_XID_ERRORS, rest), scale.over("10m"))
    return Alert(
        name="GpuXidError",
        expr=promql.sum_by(errors, DEVICE, XID) > 0,
        severity=Severity.TICKET,
        summary="GPU {{ $labels.device }} reports XID {{ $labels.xid }}, {{ $value | humanize }} in the last 10m.",
        description=(
            "The driver reports an error that a program on this GPU usually causes: a fault in memory access or a "
            "channel that was taken down."
        ),
        board=Board.GPU,
        variables=(DEVICE,),
        cases=(
            Case(series={_of_xid("31"): "0x20 1x100"}, fires=("6m", "14m"), quiet=("4m", "20m")),
            Case(series={_of_xid(code): "0x20 1x100" for code in _NAMED}, quiet=("6m",)),
            Case(series={_of_xid("31"): "3x20 0x100"}, quiet=("4m", "6m")),
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
        summary=("Memory of GPU {{ $labels.device }} had {{ $value | humanize }} errors that could not be corrected."),
        description=(
            "In the last 10m. What ran there was ended or has wrong numbers; the driver sets the rows aside, as far "
            "as there are spare ones."
        ),
        board=Board.GPU,
        variables=(DEVICE,),
        cases=(
            Case(
                series={series("uncorrected"): "0x20 1x100", series("corrected"): "0x120"},
                fires=("6m", "14m"),
                quiet=("4m", "20m"),
            ),
            Case(series={series("uncorrected"): "0x120", series("corrected"): "0+5x120"}, quiet=("20m",)),
            # The driver counts from 0 again after it was loaded anew.
            Case(series={series("uncorrected"): "7x20 0x100"}, quiet=("4m", "6m")),
        ),
    )


_INFO: Final = Scraped(devices.GPU_INFO)
_MIG: Final = Scraped(devices.GPU_MIG_INFO)


def _gone(series: Scraped, window: str, *by: Label) -> Expr:
    """What a sidecar told of within a window and tells of no more, though it answers: a host may be switched off."""
    of = (*by, INSTANCE)
    before = promql.group_by(promql.max_over_time(promql.select(series), window), *of)
    now = promql.group_by(promql.select(series), *of)
    answers = promql.select(recorded.UP, _OURS).equals(1)
    return promql.where(promql.unless(before, now, on=of), answers, on=(INSTANCE,))


def _up(values: str) -> dict[str, str]:
    return {promql.select(recorded.UP, _OURS, _INSTANCE).text: values}


def _lost(scale: TimeScale) -> Alert:
    series = promql.select(_INFO, _GPU, _INSTANCE).text
    return Alert(
        name="GpuLost",
        expr=_gone(_INFO, scale.over("1h"), DEVICE),
        severity=Severity.PAGE,
        summary="GPU {{ $labels.device }} does not answer any more; its sidecar {{ $labels.instance }} does.",
        description=(
            "Its readings came within the last hour and do not come now: it fell off the bus, or its driver was "
            "unloaded. What ran there is lost, the other replicas carry its load."
        ),
        board=Board.GPU,
        variables=(DEVICE,),
        hold="2m",
        cases=(
            Case(series={series: "1x40 _x260", **_up("1x300")}, fires=("18m", "1h8m"), quiet=("9m", "16m", "1h12m")),
            Case(series={series: "1x240", **_up("1x240")}, quiet=("20m",)),
            # The sidecar is down, or its host was taken out of the fleet: that is no news of the GPU.
            Case(series={series: "1x40 _x200", **_up("1x40 0x200")}, quiet=("20m",)),
            Case(series={series: "1x40 _x200", **_up("1x40 _x200")}, quiet=("20m",)),
        ),
    )


def _instance_gone(scale: TimeScale) -> Alert:
    window = scale.over("1h")
    gone = _gone(_MIG, window, DEVICE, PARENT)
    used = promql.sum_by(promql.increase(promql.select(DEVICE_SECONDS), window), DEVICE) > 0
    mig = promql.equal(DEVICE, "MIG-5f1ac3c2")
    series = promql.select(_MIG, mig, promql.equal(PARENT, "GPU-0b5b1c4e"), _INSTANCE).text
    work = promql.select(DEVICE_SECONDS, mig).text

    def case(series_of: Mapping[str, str], fires: tuple[str, ...] = (), quiet: tuple[str, ...] = ()) -> Case:
        return Case(series={**series_of, **_up("1x300")}, fires=fires, quiet=quiet)

    return Alert(
        name="GpuMigInstanceGone",
        expr=promql.where(gone, used, on=(DEVICE,)),
        severity=Severity.PAGE,
        summary="MIG instance {{ $labels.device }} of GPU {{ $labels.parent }} is gone, and requests ran on it.",
        description=(
            "Its GPU was cut anew or reset while a server used the instance: that server fails until it is started "
            "on an instance that is there."
        ),
        board=Board.GPU,
        variables=(DEVICE,),
        hold="2m",
        cases=(
            case({series: "1x40 _x200", work: "0+1x40 40x200"}, fires=("18m",), quiet=("9m", "16m", "1h12m")),
            # Nobody used it: somebody cuts a spare GPU.
            case({series: "1x40 _x200", work: "40x240"}, quiet=("18m",)),
            case({series: "1x240", work: "0+1x240"}, quiet=("18m",)),
        ),
    )
