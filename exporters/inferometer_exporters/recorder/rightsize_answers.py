"""What the recorder answers about the size of devices: the JSON of ``/api/cost/rightsize``.

US dollars, seconds, bytes, watts, ratios 0-1; times in seconds since the epoch. Unknown is null.
"""

from typing import TypedDict


class AdviceAnswer(TypedDict):
    """What to do, what it saves, and what that rests on."""

    rule: str
    devices: list[str]
    does: str
    because: str
    formula: str
    """With its numbers."""
    usd_per_month: float | None
    confidence: str
    """``high``, ``medium``, ``low``."""
    figures: dict[str, float]
    preconditions: list[str]
    risk: str


class FitAnswer(TypedDict):
    """Time of a run by its batch: ``t0 + beta * size``."""

    t0_seconds: float
    beta_seconds: float
    r2: float
    runs: int


class ModelSize(TypedDict):
    """One model on a device, of the requests that are recorded."""

    service: str
    model: str
    version: str
    device_seconds: float
    requests: int
    p95_seconds: float | None
    slo_seconds: float | None
    queue_ratio: float | None
    """Time in queues over time executing."""
    codec_ratio: float | None
    mean_batch: float | None
    fit: FitAnswer | None
    memory_peak_bytes: int | None
    """Null where it shares a device with others and no process tells its own."""


class DeviceSize(TypedDict):
    """The evidence of one device."""

    device: str
    kind: str
    hardware: str
    usd_per_hour: float | None
    price_kind: str
    price_source: str
    observed_seconds: float
    requests: int
    busy_ratio: float
    busy_p95: float | None
    """Of means of five minutes."""
    requests_per_second_p95: float | None
    utilization_p95: float | None
    sm_active: float | None
    """Mean over the window, as the two that follow."""
    tensor_active: float | None
    dram_active: float | None
    tensor_active_while_busy: float | None
    dram_active_while_busy: float | None
    bound: str
    """``memory``, ``compute``, ``neither``; empty where nobody read what its units did."""
    memory_peak_bytes: int | None
    memory_total_bytes: int | None
    power_watts: float | None
    throttled_ratio: float | None
    prefill_ratio: float | None
    models: list[ModelSize]


class Withheld(TypedDict):
    """A device of which too little is known."""

    device: str
    reason: str


class RightsizeReport(TypedDict):
    """``/api/cost/rightsize``."""

    begin_seconds: float
    end_seconds: float
    anyway: bool
    """Advice is given from too little as well."""
    advice: list[AdviceAnswer]
    """What saves most first."""
    withheld: list[Withheld]
    devices: list[DeviceSize]
