"""What it saves to let a model sleep, and what its cold start costs its objectives: computed, and said in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from inferometer.fleet import device_prices, durations
from inferometer.fleet.autoscaling import NOTICE_NS
from inferometer.fleet.autoscaling_checks import Scaled, wake_objectives
from inferometer.fleet.devices import DeviceKind
from inferometer.fleet.model import Fleet
from inferometer.fleet.slos import Slo
from inferometer.fleet.thresholds import PICODOLLARS, Price

HOURS_PER_MONTH: Final = 730
_DIME: Final = Decimal("0.1")
_HOUR_NS: Final = durations.parse("1h")


@dataclass(frozen=True, slots=True, kw_only=True)
class Toll:
    """What cold starts cost one objective.

    Attributes:
        slo: Its name.
        per_requests: One cold start is paid for by so many requests, where it hits one of them.
        most: Cold starts in its window that it can pay for, however the requests come.
        window_ns: That window.
    """

    slo: str
    per_requests: int
    most: int
    window_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleep:
    """The bill and the objectives of a model that sleeps while nobody asks.

    Attributes:
        cold_start_ns: From a pod's creation until it answers.
        waits_ns: Longest wait of a request that finds nobody there.
        usd_per_hour: Price of one replica; None where no price matches its device.
        priced: Where the price comes from.
        tolls: What it costs each objective.
    """

    cold_start_ns: int
    waits_ns: int
    usd_per_hour: Fraction | None
    priced: str
    tolls: tuple[Toll, ...]


def sleep(fleet: Fleet, model: Scaled, *, cold_start_ns: int | None = None) -> Sleep | None:
    """What follows for a model; None where nobody knows how long its cold start takes.

    Args:
        fleet: The fleet.
        model: The model.
        cold_start_ns: As it was measured; what fleet.yaml declares where it was not.
    """
    cold = cold_start_ns if cold_start_ns is not None else model.autoscaling.cold_start_ns
    if cold is None:
        return None
    waits = NOTICE_NS + cold
    price = _price(fleet, model)
    each = model.autoscaling.gpus if model.autoscaling.gpu is not None else 1
    return Sleep(
        cold_start_ns=cold,
        waits_ns=waits,
        usd_per_hour=None if price is None else Fraction(price.picodollars_per_hour * each, PICODOLLARS),
        priced="" if price is None else f"{price.price_kind}, {price.source}, {price.as_of}",
        tolls=tuple(_toll(slo, waits) for slo in wake_objectives(fleet, model)),
    )


def _toll(slo: Slo, waits_ns: int) -> Toll:
    share = 1 - Fraction(slo.objective.target) / 100
    return Toll(
        slo=slo.name,
        per_requests=-(-share.denominator // share.numerator),
        # Requests that come evenly are bad for as long as nobody answers: the budget as time, cut into waits.
        most=int(share * slo.objective.window_ns // waits_ns),
        window_ns=slo.objective.window_ns,
    )


def _price(fleet: Fleet, model: Scaled) -> Price | None:
    gpu = model.autoscaling.gpu
    kind = DeviceKind.CPU if gpu is None else DeviceKind.GPU
    prices = device_prices.prices(fleet)
    return next((price for price in prices if price.matches(kind.value, gpu or "", "")), None)


def sentences(found: Sleep, *, sleeps: bool) -> tuple[str, ...]:
    """The same in words; *sleeps* says whether it does, or could."""
    return tuple(_sentences(found, sleeps=sleeps))


def _sentences(found: Sleep, *, sleeps: bool) -> Iterator[str]:
    cold = durations.render(found.cold_start_ns)
    if found.usd_per_hour is None:
        yield "What a replica costs is not known: no entry of devices matches it."
    else:
        month = _usd(found.usd_per_hour * HOURS_PER_MONTH)
        saves = "An hour asleep saves" if sleeps else "An hour asleep (min: 0) would save"
        yield f"{saves} ${_usd(found.usd_per_hour)}, at most ${month} a month ({found.priced})."
        started = _usd(found.usd_per_hour * Fraction(found.cold_start_ns, _HOUR_NS))
        yield f"A cold start is billed too: ${started} for {cold}, so a shorter sleep costs more than it saves."
    yield f"A request that finds nobody there waits up to {durations.render(found.waits_ns)}."
    for toll in found.tolls:
        yield (
            f"{toll.slo} pays for one cold start per {toll.per_requests:,} requests, and for at most {toll.most:,} of "
            f"them in {durations.render(toll.window_ns)}."
        )
    if not found.tolls:
        yield "No objective says whether that is too long."


def _usd(amount: Fraction) -> str:
    """Dollars with cents; of less than a dime four digits behind the point."""
    value = Decimal(amount.numerator) / Decimal(amount.denominator)
    return f"{value:,.2f}" if value >= _DIME else f"{value:.4f}"
