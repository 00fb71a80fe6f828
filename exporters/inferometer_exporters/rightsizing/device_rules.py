"""Rules that look at one device: all of them in their order, and those about what no other size would mend.

Each takes the evidence of a device and what is known of the market, and yields advice or nothing. Triggers and formulas
are those of queueing practice (busy ratio up to 0.8) and of the roofline model; every number of ours has a name where
it is used: here, in `size_rules` and in `work_rules`.
"""

from collections.abc import Callable, Iterator
from typing import Final

from inferometer_exporters.rightsizing.advice import Advice, Confidence, per_month, percent, price
from inferometer_exporters.rightsizing.evidence import DeviceEvidence
from inferometer_exporters.rightsizing.market import WORTH, Market
from inferometer_exporters.rightsizing.size_rules import mig_slice, smaller_gpu, smaller_host
from inferometer_exporters.rightsizing.work_rules import bigger_batch, power_cap, quantise

THROTTLED_FROM: Final = 0.05
"""Share of time with clocks held down from which that is what to mend first."""
QUEUED_FROM: Final = 2.0
"""Time in queues over time executing from which the queue is what to mend first."""
CODEC_FROM: Final = 0.3
"""Share of a request spent on encoding and decoding from which that is what to mend first."""


def unused(device: DeviceEvidence, _: Market) -> Iterator[Advice]:
    """Nothing ran on it at all."""
    if device.used_ns or device.requests:
        return
    paid = device.usd_per_hour
    yield Advice(
        rule="unused",
        devices=(device.device,),
        does="give it back, or put a model on it",
        because=f"nothing ran on it in {_hours(device):.0f} h",
        formula="" if paid is None else f"730 h * {price(paid)}",
        usd_per_month=None if paid is None else per_month(paid),
        confidence=Confidence.HIGH,
        preconditions=("nobody keeps it for a failover",),
    )


def mend_first(device: DeviceEvidence, _: Market) -> Iterator[Advice]:
    """What no other size would mend."""
    if device.throttled_ratio is not None and device.throttled_ratio >= THROTTLED_FROM:
        yield _mend(
            device,
            "find out why its clocks are held down",
            f"its clocks were held down {percent(device.throttled_ratio)} of the time",
            throttled_ratio=device.throttled_ratio,
        )
    for model in device.models:
        if model.codec_ratio is not None and model.codec_ratio >= CODEC_FROM:
            yield _mend(
                device,
                f"make {model.name}'s requests and answers cheaper to read and write",
                f"{percent(model.codec_ratio)} of their time is deserializing and serializing",
                codec_ratio=model.codec_ratio,
            )
        if model.queue_ratio is not None and model.queue_ratio >= QUEUED_FROM:
            yield _mend(
                device,
                f"look into {model.name}'s queue",
                f"its requests wait {model.queue_ratio:.1f} times as long as they execute",
                queue_ratio=model.queue_ratio,
            )


def _mend(device: DeviceEvidence, does: str, because: str, **figures: float) -> Advice:
    return Advice(rule="mend-first", devices=(device.device,), does=does, because=because, figures=figures)


def scale_to_zero(device: DeviceEvidence, _: Market) -> Iterator[Advice]:
    """Stopping it in its gaps saves more than starting it again costs."""
    saved, cold, paid = device.idle_saved_per_month, device.cold_start_seconds, device.usd_per_hour
    if saved is None or cold is None or paid is None or saved < WORTH * per_month(paid) or not device.used_ns:
        return
    slo = device.slo_seconds
    if slo is not None and cold > slo:
        # The first request after a gap would break the promise.
        return
    promise = "" if slo is None else f", within the {slo:g} s that are promised"
    conditions = ["the device is billed by the second, and another can be had when it is needed"]
    if not device.cold_start_said:
        conditions.append("a cold start is taken for a model's load: starting the machine comes on top (--cold-start)")
    yield Advice(
        rule="scale-to-zero",
        devices=(device.device,),
        does=f"stop it once it stood idle for {cold:.0f} s, or by the clock",
        because=f"{device.idle_gaps} gaps were longer than a cold start; it is idle {percent(1 - device.busy_ratio)}",
        formula="price * (sum of (gap - cold start) - gaps * cold start), to 730 h",
        usd_per_month=saved,
        figures={"gaps": device.idle_gaps, "cold_start_seconds": cold},
        confidence=Confidence.MEDIUM if device.cold_start_said else Confidence.LOW,
        preconditions=conditions,
        risk=f"the first request after a gap waits {cold:.0f} s{promise}",
    )


Rule = Callable[[DeviceEvidence, Market], Iterator[Advice]]
RULES: Final[tuple[Rule, ...]] = (
    unused,
    mend_first,
    scale_to_zero,
    smaller_gpu,
    smaller_host,
    bigger_batch,
    mig_slice,
    quantise,
    power_cap,
)


def _hours(device: DeviceEvidence) -> float:
    return device.observed_ns / 3.6e12
