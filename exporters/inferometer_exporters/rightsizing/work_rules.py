"""Rules about how a device works: larger batches, fewer bytes, less power."""

from collections.abc import Iterator
from typing import Final

from inferometer_exporters.rightsizing.advice import Advice, Confidence, per_month, percent, price, share
from inferometer_exporters.rightsizing.evidence import DeviceEvidence, ModelEvidence
from inferometer_exporters.rightsizing.market import WORTH, Market

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
    paid = device.usd_per_hour
    busy = model.device_ns / device.used_ns * device.busy_ratio if device.used_ns else 0.0
    usd = None if paid is None else per_month(paid) * busy * saved
    money = "" if paid is None else f"; 730 h * {price(paid)} * {share(busy)} busy * {share(saved)}"
    if saved < WORTH:
        return None
    return Advice(
        rule="bigger-batch",
        devices=(device.device,),
        does=f"let {model.name} batch up to {largest:.0f} requests",
        because=f"{size:.1f} are in a batch, and requests wait {model.queue_ratio or 0.0:.1f} times as long",
        formula=f"a run takes {t0 * 1e3:.1f} ms + {beta * 1e3:.2f} ms * batch (R² {fit.r2:.2f}, {fit.runs} runs): "
        f"1 - (t0 + β*B2)*B / ((t0 + β*B)*B2) = {percent(saved)} of its busy time{money}",
        usd_per_month=usd,
        figures={"t0_seconds": t0, "beta_seconds": beta, "mean_batch": size, "batch": largest, "saved_ratio": saved},
        preconditions=("the time that becomes free is given back: fewer or smaller devices",),
        risk="twice the largest batch that was seen is foretold, not measured; requests wait for their batch",
    ).at_most(Confidence.LOW)


def quantise(device: DeviceEvidence, _: Market) -> Iterator[Advice]:
    """Decoding waits for memory: half the bytes are half the time."""
    dram, prefill = device.while_busy(device.dram_active), device.prefill_ratio
    if dram is None or dram < MEMORY_BOUND_FROM or prefill is None or prefill > DECODING_UP_TO:
        return
    paid, busy, decoding = device.usd_per_hour, device.busy_ratio, 1 - prefill
    yield Advice(
        rule="quantise",
        devices=(device.device,),
        does="serve weights of half the bytes (FP8 or INT8), after checking the answers",
        because=f"memory is {percent(dram)} active while it works, and {percent(decoding)} of that is decoding",
        formula="" if paid is None else f"730 h * {price(paid)} * {share(busy)} busy * {share(decoding)} decoding / 2",
        usd_per_month=None if paid is None else per_month(paid) * busy * decoding / 2,
        confidence=Confidence.LOW,
        figures={"dram_active_while_busy": dram, "decode_ratio": decoding},
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
