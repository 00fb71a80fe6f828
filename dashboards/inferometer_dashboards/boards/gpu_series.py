"""Series of chosen devices: one element per device, however many sidecars and pages tell of it."""

from typing import Final

from inferometer import promql
from inferometer.catalog import gpus
from inferometer.catalog.labels import DEVICE, THROTTLE_REASON
from inferometer.catalog.model import Counter, Gauge, Label
from inferometer.promql import Expr, Matcher
from inferometer_alerts.gpu_alerts import AT_POWER_LIMIT, HELD_BACK
from inferometer_dashboards.panels import RATE_INTERVAL, chosen

ON_DEVICE: Final = chosen(DEVICE)
IDLE, BUSY, HELD = range(3)
"""What a device does, as the numbers of a timeline."""
_POWER_CAP: Final = "power_cap"


def gauge(series: Gauge, *by: Label) -> Expr:
    """A reading of each chosen device."""
    return promql.max_by(promql.select(series, *ON_DEVICE), DEVICE, *by)


def rate(counter: Counter, *by: Label, only: tuple[Matcher, ...] = ()) -> Expr:
    """Increase per second of each chosen device."""
    return promql.max_by(promql.rate(promql.select(counter, *ON_DEVICE, *only), RATE_INTERVAL), DEVICE, *by)


def working() -> Expr:
    """Share of time in which something ran; a MIG instance tells of its SMs only."""
    return promql.either(gauge(gpus.GPU_UTILIZATION), gauge(gpus.GPU_SM_ACTIVE))


def held_back() -> Expr:
    """Devices whose clocks are held down for longer than their alert allows, and how long of each second."""
    by_limit = promql.equal(THROTTLE_REASON, _POWER_CAP)
    others = promql.one_of(THROTTLE_REASON, set(THROTTLE_REASON.values) - {_POWER_CAP, "sync_boost"})
    return promql.max_by(
        promql.either(
            rate(gpus.GPU_THROTTLE, THROTTLE_REASON, only=(others,)) > HELD_BACK,
            rate(gpus.GPU_THROTTLE, THROTTLE_REASON, only=(by_limit,)) > AT_POWER_LIMIT,
        ),
        DEVICE,
    )


def state() -> Expr:
    """`IDLE`, `BUSY` or `HELD` of each chosen device; nothing of one that does not answer."""
    at_work = working() > 0
    held = promql.where(held_back(), at_work, on=(DEVICE,))
    return promql.either(promql.either(held * 0 + HELD, at_work * 0 + BUSY), working() * 0 + IDLE)
