"""Rules that look at one device.

Each takes the evidence of a device and what is known of the market, and yields advice or nothing. Triggers and formulas
are those of queueing practice (busy ratio up to 0.8) and of the roofline model; every number of ours has a name below.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from inferometer_exporters.rightsizing import datasheets
from inferometer_exporters.rightsizing.advice import Advice, Confidence, per_month, percent
from inferometer_exporters.rightsizing.evidence import DeviceEvidence, ModelEvidence

BUSY_LIMIT: Final = 0.8
"""Busy ratio up to which a device is planned: above it, queues grow faster than load."""
MEMORY_LIMIT: Final = 0.9
"""Part of a device's memory that is planned: the rest is fragments and peaks between two readings."""
HOST_LIMIT: Final = 0.7
"""Share of a host's CPU time that is planned: other programs live there, too."""
WORTH: Final = 0.05
"""Part of a device's price from which a saving is worth a change."""
THROTTLED_FROM: Final = 0.05
"""Share of time with clocks held down from which that is what to mend first."""
QUEUED_FROM: Final = 2.0
"""Time in queues over time executing from which the queue is what to mend first."""
CODEC_FROM: Final = 0.3
"""Share of a request spent on encoding and decoding from which that is what to mend first."""
FIT_FROM: Final = 0.5
"""Part of the variance of runs' times that their batch must explain, for a larger one to be foretold."""
WAITING_FROM: Final = 0.1
"""Time in queues over time executing from which there is work that a larger batch could take."""
MEMORY_BOUND_FROM: Final = 0.7
"""Activity of memory while busy from which decoding is bound by it."""
DECODING_UP_TO: Final = 0.5
"""Share of prefill up to which decoding is most of the work."""
TENSOR_UP_TO: Final = 0.3
"""Activity of tensor cores while busy up to which slower cores cost little time."""
MIG_PROFILES: Final = ((1, 1), (2, 2), (3, 4), (4, 4))
"""Compute slices of seven and memory slices of eight, as NVIDIA's user guide of MIG lists them."""
_SEVENTHS, _EIGHTHS = 7, 8


@dataclass(frozen=True, slots=True)
class Offer:
    """A GPU that can be had, at a list price."""

    hardware: str
    usd_per_hour: float
    source: str


@dataclass(frozen=True, slots=True)
class Market:
    """What is known of other hardware: list prices, on demand."""

    offers: tuple[Offer, ...] = ()


def unused(device: DeviceEvidence, _: Market) -> Iterator[Advice]:
    """Nothing ran on it at all."""
    if device.used_ns or device.requests:
        return
    price = device.usd_per_hour
    yield Advice(
        rule="unused",
        devices=(device.device,),
        does="give it back, or put a model on it",
        because=f"nothing ran on it in {_hours(device):.0f} h",
        formula="" if price is None else f"730 h * ${price:.2f}/h",
        usd_per_month=None if price is None else per_month(price),
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
    saved, cold, price = device.idle_saved_per_month, device.cold_start_seconds, device.usd_per_hour
    if saved is None or cold is None or price is None or saved < WORTH * per_month(price) or not device.used_ns:
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


def smaller_gpu(device: DeviceEvidence, market: Market) -> Iterator[Advice]:
    """A cheaper GPU holds the models and does the work in time."""
    sheet = datasheets.of(device.hardware)
    busy, memory, price = device.busy_p95, device.memory_peak_bytes, device.usd_per_hour
    if sheet is None or busy is None or memory is None or price is None:
        return
    found = [option for offer in market.offers if (option := _option(device, sheet, offer, busy, memory)) is not None]
    best = max(found, key=lambda option: option.usd_per_month or 0.0, default=None)
    if best is not None and (best.usd_per_month or 0.0) >= WORTH * per_month(price):
        yield best


def _option(
    device: DeviceEvidence, sheet: datasheets.Datasheet, offer: Offer, busy: float, memory: int
) -> Advice | None:
    target, price = datasheets.of(offer.hardware), device.usd_per_hour or 0.0
    if target is None or target is sheet or memory > MEMORY_LIMIT * target.gigabytes * 1e9:
        return None
    compute, bandwidth = sheet.tflops / target.tflops, sheet.gigabytes_per_second / target.gigabytes_per_second
    prefill = device.prefill_ratio
    # Which of the two limits is not known without phases: then the one that slows down more.
    slower = max(compute, bandwidth) if prefill is None else prefill * compute + (1 - prefill) * bandwidth
    load = busy * slower
    needed = max(math.ceil(load / BUSY_LIMIT), 1)
    late, promised = device.p95_seconds, device.slo_seconds
    if needed > 1 or (late is not None and promised is not None and late * max(slower, 1.0) > promised):
        return None
    saved = per_month(price - offer.usd_per_hour)
    return Advice(
        rule="smaller-gpu",
        devices=(device.device,),
        does=f"move it to one {offer.hardware} (${offer.usd_per_hour:.2f}/h, {offer.source})",
        because=f"it is busy {percent(busy)} (p95 of 5 min) and its memory peak is {memory / 1e9:.1f} GB",
        formula=f"730 h * (${price:.2f} - ${offer.usd_per_hour:.2f}); busy {busy:.2f} * {slower:.1f} = {load:.2f} "
        f"≤ {BUSY_LIMIT}; {memory / 1e9:.1f} GB ≤ {MEMORY_LIMIT} * {target.gigabytes:g} GB",
        usd_per_month=saved,
        confidence=Confidence.LOW,
        figures={"busy_p95": busy, "slowdown": slower, "memory_peak_gb": memory / 1e9},
        preconditions=(
            datasheets.NOTE,
            "the price is a list price: compare it with what you pay",
            "memory is what was allocated: a server that takes all there is needs less than it shows",
        ),
        risk=f"requests execute up to {slower:.1f} times as long",
    )


def smaller_host(device: DeviceEvidence, _: Market) -> Iterator[Advice]:
    """Half of a CPU host would do."""
    use, memory, price = device.utilization_p95, device.memory_peak_bytes, device.usd_per_hour
    total = device.memory_total_bytes
    if device.kind != "cpu" or use is None or memory is None or not total or price is None or not device.used_ns:
        return
    halves = 0
    while use * 2 ** (halves + 1) <= HOST_LIMIT and memory * 2 ** (halves + 1) <= MEMORY_LIMIT * total:
        halves += 1
    if not halves:
        return
    part = 1 - 0.5**halves
    yield Advice(
        rule="smaller-host",
        devices=(device.device,),
        does=f"take a host of 1/{2**halves} of its size",
        because=f"its CPUs are in use {percent(use)} (p95 of minutes) and its memory peak is {percent(memory / total)}",
        formula=f"730 h * ${price:.2f} * {part:g}; CPU {use:.2f} * {2**halves} ≤ {HOST_LIMIT}; "
        f"memory {memory / total:.2f} * {2**halves} ≤ {MEMORY_LIMIT}",
        usd_per_month=per_month(price) * part,
        figures={"utilization_p95": use, "memory_ratio": memory / total},
        preconditions=("half the host costs half the money",),
        risk="bursts shorter than a minute are not seen",
    )


def bigger_batch(device: DeviceEvidence, _: Market) -> Iterator[Advice]:
    """Requests wait while each run has room for more of them."""
    for model in device.models:
        if model.fit is None or model.fit.r2 < FIT_FROM or (model.queue_ratio or 0.0) < WAITING_FROM:
            continue
        if (advice := _batch(device, model)) is not None:
            yield advice


def _batch(device: DeviceEvidence, model: ModelEvidence) -> Advice | None:
    fit = model.fit
    if fit is None or fit.t0_seconds <= 0 or fit.beta_seconds <= 0:
        return None
    t0, beta, size = fit.t0_seconds, fit.beta_seconds, fit.mean_size
    largest = 2.0 * fit.largest
    if model.slo_seconds is not None:
        largest = min(largest, (model.slo_seconds - t0) / beta)
    if largest < 2 * size:
        return None
    saved = 1 - (t0 + beta * largest) * size / ((t0 + beta * size) * largest)
    price = device.usd_per_hour
    share = model.device_ns / device.used_ns * device.busy_ratio if device.used_ns else 0.0
    usd = None if price is None else per_month(price) * share * saved
    if saved < WORTH:
        return None
    return Advice(
        rule="bigger-batch",
        devices=(device.device,),
        does=f"let {model.name} batch up to {largest:.0f} requests",
        because=f"{size:.1f} are in a batch, and requests wait {model.queue_ratio or 0.0:.1f} times as long",
        formula=f"a run takes {t0 * 1e3:.1f} ms + {beta * 1e3:.2f} ms * batch (R² {fit.r2:.2f}, {fit.runs} runs): "
        f"1 - (t0 + β*B2)*B / ((t0 + β*B)*B2) = {percent(saved)} of its busy time",
        usd_per_month=usd,
        figures={"t0_seconds": t0, "beta_seconds": beta, "mean_batch": size, "batch": largest, "saved_ratio": saved},
        preconditions=("the time that becomes free is given back: fewer or smaller devices",),
        risk="twice the largest batch that was seen is foretold, not measured; requests wait for their batch",
    ).at_most(Confidence.LOW)


def mig_slice(device: DeviceEvidence, _: Market) -> Iterator[Advice]:
    """A slice of the GPU would do, and the others are free for somebody else."""
    sheet = datasheets.of(device.hardware)
    busy, memory, price = device.busy_p95, device.memory_peak_bytes, device.usd_per_hour
    if sheet is None or not sheet.mig or device.device.startswith("MIG-") or busy is None or memory is None:
        return
    for compute, eighths in MIG_PROFILES:
        room = MEMORY_LIMIT * sheet.gigabytes * 1e9 * eighths / _EIGHTHS
        if memory <= room and busy <= compute / _SEVENTHS and device.used_ns:
            free = 1 - compute / _SEVENTHS
            yield Advice(
                rule="mig-slice",
                devices=(device.device,),
                does=f"give it {compute} of 7 slices, and the rest to other models",
                because=f"it is busy {percent(busy)} (p95 of 5 min) and its memory peak is {memory / 1e9:.1f} GB",
                formula=f"{memory / 1e9:.1f} GB ≤ {room / 1e9:.1f} GB; {busy:.2f} * 7 ≤ {compute}; price * {free:.2f}",
                usd_per_month=None if price is None else per_month(price) * free,
                confidence=Confidence.LOW,
                figures={"busy_p95": busy, "memory_peak_gb": memory / 1e9, "slices": compute},
                preconditions=(datasheets.NOTE, "somebody uses the other slices: until then nothing is saved"),
                risk="a slice does a request in up to seven times the time",
            )
            return


def quantise(device: DeviceEvidence, _: Market) -> Iterator[Advice]:
    """Decoding waits for memory: half the bytes are half the time."""
    dram, prefill = device.while_busy(device.dram_active), device.prefill_ratio
    if dram is None or dram < MEMORY_BOUND_FROM or prefill is None or prefill > DECODING_UP_TO:
        return
    price, share = device.usd_per_hour, (1 - prefill) * device.busy_ratio
    yield Advice(
        rule="quantise",
        devices=(device.device,),
        does="serve weights of half the bytes (FP8 or INT8), after checking the answers",
        because=f"memory is {percent(dram)} active while it works, and {percent(1 - prefill)} of that is decoding",
        formula=f"up to half of {percent(share)} of the time",
        usd_per_month=None if price is None else per_month(price) * share / 2,
        confidence=Confidence.LOW,
        figures={"dram_active_while_busy": dram, "decode_ratio": 1 - prefill},
        preconditions=("the time that becomes free is given back", "the answers stay good enough"),
        risk="at most twice as fast; answers change",
    )


def power_cap(device: DeviceEvidence, _: Market) -> Iterator[Advice]:
    """Memory limits it: lower clocks of its cores would cost little time and save energy, and no rent."""
    tensor, dram = device.while_busy(device.tensor_active), device.while_busy(device.dram_active)
    if tensor is None or dram is None or device.power_watts is None:
        return
    if dram < MEMORY_BOUND_FROM or tensor > TENSOR_UP_TO:
        return
    yield Advice(
        rule="power-cap",
        devices=(device.device,),
        does="try a lower power limit (nvidia-smi -pl)",
        because=f"memory is {percent(dram)} active while it works, tensor cores {percent(tensor)}, "
        f"at {device.power_watts:.0f} W",
        figures={"dram_active_while_busy": dram, "tensor_active_while_busy": tensor, "power_watts": device.power_watts},
        preconditions=("somebody pays for its energy: rent stays the same",),
        risk="requests that are bound by compute (long prompts) get slower",
    ).at_most(Confidence.LOW)


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
