"""Advice on the size of devices, with the evidence that it rests on, as the API answers it."""

from typing import Final

from inferometer.fleet import default_prices
from inferometer.fleet.objective import Sli
from inferometer.fleet.thresholds import Thresholds
from inferometer_exporters.recorder.ledger_hours import snapshot
from inferometer_exporters.recorder.reading import SECOND, Cursor
from inferometer_exporters.recorder.rightsize_answers import AdviceAnswer, DeviceSize, ModelSize, RightsizeReport
from inferometer_exporters.recorder.rightsize_query import Promise, evidence
from inferometer_exporters.rightsizing.advice import Advice
from inferometer_exporters.rightsizing.evidence import DeviceEvidence, ModelEvidence
from inferometer_exporters.rightsizing.judge import judge
from inferometer_exporters.rightsizing.market import Market, Offer

SINCE_NS: Final = 30 * 24 * 3_600 * 10**9
"""How far back without being told: the month that is kept."""


def rightsize_report(
    cursor: Cursor,
    thresholds: Thresholds,
    *,
    since_ns: int = SINCE_NS,
    cold_start_ns: int | None = None,
    anyway: bool = False,
    market: Market | None = None,
) -> RightsizeReport | None:
    """Advice on every device; None where nothing was entered yet.

    Args:
        cursor: of the recorder.
        thresholds: what fleet.yaml promises.
        since_ns: how far back.
        cold_start_ns: how long a device takes until it serves again; what the ledger saw of loads without.
        anyway: advise from too little as well, of low confidence.
        market: other hardware and its prices; the price book's without.
    """
    with snapshot(cursor):
        found = evidence(cursor, since_ns=since_ns, promise=promise(thresholds), cold_start_ns=cold_start_ns)
    if found is None:
        return None
    begin, end, devices = found
    judgement = judge(devices, list_prices() if market is None else market, anyway=anyway)
    return {
        "begin_seconds": begin / SECOND,
        "end_seconds": end / SECOND,
        "anyway": anyway,
        "advice": [_advice(one) for one in judgement.advice],
        "withheld": [{"device": device, "reason": reason} for device, reason in judgement.withheld],
        "devices": [_device(device) for device in devices],
    }


def promise(thresholds: Thresholds) -> Promise:
    """The tightest latency that is promised of a model, in seconds."""

    def of(service: str, model: str) -> float | None:
        promised = [
            limit.ns / SECOND
            for objective in thresholds.objectives_of(service, model)
            for limit in objective.limits
            if limit.sli is Sli.LATENCY and limit.stage is None
        ]
        return min(promised, default=None)

    return of


def list_prices() -> Market:
    """GPUs of the price book at their default list prices."""
    prices = default_prices.load()
    return Market(tuple(Offer(price.model, price.usd_per_hour, f"{price.source} {price.as_of}") for price in prices))


def _advice(one: Advice) -> AdviceAnswer:
    return {
        "rule": one.rule,
        "devices": list(one.devices),
        "does": one.does,
        "because": one.because,
        "formula": one.formula,
        "usd_per_month": one.usd_per_month,
        "confidence": one.confidence.value,
        "figures": dict(one.figures),
        "preconditions": list(one.preconditions),
        "risk": one.risk,
    }


def _device(device: DeviceEvidence) -> DeviceSize:
    return {
        "device": device.device,
        "kind": device.kind,
        "hardware": device.hardware,
        "usd_per_hour": device.usd_per_hour,
        "price_kind": device.price_kind,
        "price_source": device.price_source,
        "observed_seconds": device.observed_ns / SECOND,
        "requests": device.requests,
        "busy_ratio": device.busy_ratio,
        "busy_p95": device.busy_p95,
        "requests_per_second_p95": device.rate_p95,
        "utilization_p95": device.utilization_p95,
        "sm_active": device.sm_active,
        "tensor_active": device.tensor_active,
        "dram_active": device.dram_active,
        "tensor_active_while_busy": device.while_busy(device.tensor_active),
        "dram_active_while_busy": device.while_busy(device.dram_active),
        "bound": device.bound,
        "memory_peak_bytes": device.memory_peak_bytes,
        "memory_total_bytes": device.memory_total_bytes,
        "power_watts": device.power_watts,
        "throttled_ratio": device.throttled_ratio,
        "prefill_ratio": device.prefill_ratio,
        "models": [_model(model) for model in device.models],
    }


def _model(model: ModelEvidence) -> ModelSize:
    fit = model.fit
    return {
        "service": model.service,
        "model": model.model,
        "version": model.version,
        "device_seconds": model.device_ns / SECOND,
        "requests": model.requests,
        "p95_seconds": model.p95_seconds,
        "slo_seconds": model.slo_seconds,
        "queue_ratio": model.queue_ratio,
        "codec_ratio": model.codec_ratio,
        "mean_batch": None if fit is None else fit.mean_size,
        "fit": None
        if fit is None
        else {"t0_seconds": fit.t0_seconds, "beta_seconds": fit.beta_seconds, "r2": fit.r2, "runs": fit.runs},
        "memory_peak_bytes": model.memory_peak_bytes,
    }
