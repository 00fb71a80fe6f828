"""Rules that look for a smaller device: another GPU, half a host, a slice."""

import math
from collections.abc import Iterator
from typing import Final

from inferometer_exporters.rightsizing import datasheets
from inferometer_exporters.rightsizing.advice import Advice, Confidence, per_month, percent, price, share
from inferometer_exporters.rightsizing.evidence import DeviceEvidence
from inferometer_exporters.rightsizing.market import WORTH, Market, Offer

BUSY_LIMIT: Final = 0.8
"""Busy ratio up to which a device is planned: above it, queues grow faster than load."""
MEMORY_LIMIT: Final = 0.9
"""Part of a device's memory that is planned: the rest is fragments and peaks between two readings."""
HOST_LIMIT: Final = 0.7
"""Share of a host's CPU time that is planned: other programs live there, too."""
MIG_PROFILES: Final = ((1, 1), (2, 2), (3, 4), (4, 4))
"""Compute slices of seven and memory slices of eight, as NVIDIA's user guide of MIG lists them."""
_SEVENTHS, _EIGHTHS = 7, 8


def smaller_gpu(device: DeviceEvidence, market: Market) -> Iterator[Advice]:
    """A cheaper GPU holds the models and does the work in time."""
    sheet = datasheets.of(device.hardware)
    busy, memory, paid = device.busy_p95, device.memory_peak_bytes, device.usd_per_hour
    if sheet is None or busy is None or memory is None or paid is None:
        return
    found = [option for offer in market.offers if (option := _option(device, sheet, offer, busy, memory)) is not None]
    best = max(found, key=lambda option: option.usd_per_month or 0.0, default=None)
    if best is not None and (best.usd_per_month or 0.0) >= WORTH * per_month(paid):
        yield best


def _option(
    device: DeviceEvidence, sheet: datasheets.Datasheet, offer: Offer, busy: float, memory: int
) -> Advice | None:
    target, paid = datasheets.of(offer.hardware), device.usd_per_hour or 0.0
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
    saved = per_month(paid - offer.usd_per_hour)
    return Advice(
        rule="smaller-gpu",
        devices=(device.device,),
        does=f"move it to one {offer.hardware} ({price(offer.usd_per_hour)}/h, {offer.source})",
        because=f"it is busy {percent(busy)} (p95 of 5 min) and its memory peak is {memory / 1e9:.1f} GB",
        formula=f"730 h * ({price(paid)} - {price(offer.usd_per_hour)}); "
        f"busy {share(busy)} * {share(slower)} = {share(load)} ≤ {BUSY_LIMIT}; "
        f"{memory / 1e9:.1f} GB ≤ {MEMORY_LIMIT} * {target.gigabytes:g} GB",
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
    use, memory, paid = device.utilization_p95, device.memory_peak_bytes, device.usd_per_hour
    total = device.memory_total_bytes
    if device.kind != "cpu" or use is None or memory is None or not total or paid is None or not device.used_ns:
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
        formula=f"730 h * {price(paid)} * {part:g}; CPU {use:.2f} * {2**halves} ≤ {HOST_LIMIT}; "
        f"memory {memory / total:.2f} * {2**halves} ≤ {MEMORY_LIMIT}",
        usd_per_month=per_month(paid) * part,
        figures={"utilization_p95": use, "memory_ratio": memory / total},
        preconditions=("half the host costs half the money",),
        risk="bursts shorter than a minute are not seen",
    )


def mig_slice(device: DeviceEvidence, _: Market) -> Iterator[Advice]:
    """A slice of the GPU would do, and the others are free for somebody else."""
    sheet = datasheets.of(device.hardware)
    busy, memory, paid = device.busy_p95, device.memory_peak_bytes, device.usd_per_hour
    if sheet is None or not sheet.mig or device.device.startswith("MIG-") or busy is None or memory is None:
        return
    for compute, eighths in MIG_PROFILES:
        room = MEMORY_LIMIT * sheet.gigabytes * 1e9 * eighths / _EIGHTHS
        if memory <= room and busy <= compute / _SEVENTHS and device.used_ns:
            free = _SEVENTHS - compute
            saving = "" if paid is None else f"730 h * {price(paid)} * {free} / {_SEVENTHS}; "
            yield Advice(
                rule="mig-slice",
                devices=(device.device,),
                does=f"give it {compute} of 7 slices, and the rest to other models",
                because=f"it is busy {percent(busy)} (p95 of 5 min) and its memory peak is {memory / 1e9:.1f} GB",
                formula=f"{saving}{memory / 1e9:.1f} GB ≤ {room / 1e9:.1f} GB; busy {share(busy)} * 7 ≤ {compute}",
                usd_per_month=None if paid is None else per_month(paid) * free / _SEVENTHS,
                confidence=Confidence.LOW,
                figures={"busy_p95": busy, "memory_peak_gb": memory / 1e9, "slices": compute},
                preconditions=(datasheets.NOTE, "somebody uses the other slices: until then nothing is saved"),
                risk="a slice does a request in up to seven times the time",
            )
            return
