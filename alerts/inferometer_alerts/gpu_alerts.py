"""Alerts on GPUs: all of them, and those that are held back or full."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog import gpus
from inferometer.catalog.labels import DEVICE, THROTTLE_REASON
from inferometer.promql import Expr
from inferometer_alerts import gpu_fault_alerts, gpu_gone_alerts
from inferometer_alerts.rule import Alert, Board, Case, Severity
from inferometer_alerts.rule_labels import INSTANCE
from inferometer_alerts.rule_series import Scraped
from inferometer_alerts.time_scale import TimeScale

HELD_BACK: Final = Decimal("0.1")
AT_POWER_LIMIT: Final = Decimal("0.5")
"""Boards reach their power limit in short bursts of every heavy kernel; half of the time is a limit that is too low."""
_BUSY: Final = Decimal("0.5")
FULL: Final = Decimal("0.95")
_GROWS: Final = Decimal("0.005")
"""Of the whole memory in a quarter of an hour: what a server took when it started does not grow."""
_GPU: Final = promql.equal(DEVICE, "GPU-0b5b1c4e")
BROKEN: Final = (gpu_gone_alerts.LOST, *gpu_fault_alerts.FATAL)
"""Alerts after which nothing runs on a GPU."""


def alerts(scale: TimeScale) -> Iterator[Alert]:
    """A GPU that is held back or full, that reports faults, that is gone."""
    yield _throttled(scale)
    yield _full(scale)
    yield from gpu_fault_alerts.alerts(scale)
    yield from gpu_gone_alerts.alerts(scale)


def _throttled(scale: TimeScale) -> Alert:
    window = scale.over("10m")

    def held(*reasons: str) -> Expr:
        of = promql.select(gpus.GPU_THROTTLE, promql.one_of(THROTTLE_REASON, reasons))
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
        throttle = promql.select(gpus.GPU_THROTTLE, _GPU, promql.equal(THROTTLE_REASON, reason)).text
        used = promql.select(gpus.GPU_UTILIZATION, _GPU).text
        return Case(series={throttle: per_step, used: utilization}, fires=fires, quiet=quiet)

    busy = promql.max_by(promql.average_over_time(promql.select(gpus.GPU_UTILIZATION), window), DEVICE)
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
            # Busy for a quarter of an hour: in the mean of ten minutes from 15m to 30m.
            case("thermal", "0+3x160", utilization="0.1x40 0.9x60 0.1x60", fires=("27m",), quiet=("24m", "33m")),
            # Another GPU is busy.
            Case(
                series={
                    promql.select(gpus.GPU_THROTTLE, _GPU, promql.equal(THROTTLE_REASON, "thermal")).text: "0+3x160",
                    promql.select(gpus.GPU_UTILIZATION, _GPU).text: "0.1x160",
                    promql.select(gpus.GPU_UTILIZATION, promql.equal(DEVICE, "GPU-1")).text: "0.9x160",
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
                            (gpus.GPU_THROTTLE, (promql.equal(THROTTLE_REASON, reason),), held_back),
                            (gpus.GPU_UTILIZATION, (), used),
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
    total = promql.max_by(promql.select(gpus.GPU_MEMORY_TOTAL), DEVICE)
    used = promql.select(gpus.GPU_MEMORY_USED)
    now, before, earlier = (
        promql.max_by(each, DEVICE) for each in (used, promql.offset(used, quarter), promql.offset(used, half))
    )

    def case(values: str, fires: tuple[str, ...] = (), quiet: tuple[str, ...] = ()) -> Case:
        series = {
            promql.select(gpus.GPU_MEMORY_USED, _GPU).text: values,
            promql.select(gpus.GPU_MEMORY_TOTAL, _GPU).text: "100x400",
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
                            (gpus.GPU_MEMORY_USED, used),
                            (gpus.GPU_MEMORY_TOTAL, "100x240"),
                        )
                    },
                    fires=fires,
                    quiet=quiet,
                )
                for used, fires, quiet in (
                    ("60+0.1x240", (), ("55m",)),
                    ("94+0.015x240", ("55m",), ()),
                    # It grows by 1 % and then by 0.45 % in a quarter of an hour; the other way round.
                    ("96+0.0166x120 98+0.0075x120", (), ("52m",)),
                    ("96+0.0075x120 97+0.0166x120", ("56m",), ("42m",)),
                )
            ),
            # A little growth is what a cache does.
            case("97+0.0075x400", quiet=("1h",)),
            case("97+0.01x160 98.6x60", fires=("37m",), quiet=("45m",)),
        ),
    )
