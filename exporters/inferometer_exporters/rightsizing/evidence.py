"""What right-sizing is judged by: everything of one device and of the models on it over a window."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

HOUR_NS: Final = 3_600 * 10**9
FIVE_MINUTES_NS: Final = 300 * 10**9
BOUND_FROM: Final = 0.5
"""Share of busy cycles from which memory or tensor cores are what limits a model."""
BUSY_FROM: Final = 0.02
"""Share of time below which activity while busy is too noisy to tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Time of a run by the size of its batch, ``t0 + beta * size`` in seconds, by least squares over runs."""

    t0_seconds: float
    beta_seconds: float
    r2: float
    runs: int
    mean_size: float
    largest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEvidence:
    """One model on one device, over the last requests that are recorded."""

    service: str
    model: str
    version: str
    device_ns: int
    requests: int
    p95_seconds: float | None
    queue_ratio: float | None
    """Time in queues over time executing."""
    codec_ratio: float | None
    """Time spent on deserializing and serializing, of the whole."""
    fit: Fit | None
    memory_peak_bytes: int | None
    """Of its processes on the device, or of the device where no other model is on it."""
    slo_seconds: float | None
    """The tightest latency that fleet.yaml promises of it."""

    @property
    def name(self) -> str:
        """As people know it."""
        return " ".join(filter(None, (self.service, self.model, self.version)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Five minutes of a device."""

    busy: float
    """Share of them in use."""
    requests_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEvidence:
    """One device over the window."""

    device: str
    kind: str
    hardware: str
    """As the driver names it; empty where nobody said."""
    usd_per_hour: float | None
    price_kind: str
    price_source: str
    observed_ns: int
    used_ns: int
    requests: int
    stretches: Mapping[int, Stretch]
    """By number of five minutes since the epoch."""
    utilization_p95: float | None = None
    """As the driver or the kernel says it; never judged by alone."""
    sm_active: float | None = None
    """Mean, as the two that follow."""
    tensor_active: float | None = None
    dram_active: float | None = None
    memory_peak_bytes: int | None = None
    memory_total_bytes: int | None = None
    power_watts: float | None = None
    throttled_ratio: float | None = None
    prefill_ratio: float | None = None
    """Of device time in phases; None where runs tell no phase."""
    models: Sequence[ModelEvidence] = field(default_factory=tuple)
    idle_saved_per_month: float | None = None
    """US dollars by stopping it in its gaps; None where unknown."""
    cold_start_seconds: float | None = None
    cold_start_said: bool = False
    """Somebody said how long it takes; else it is a model's load alone."""
    idle_gaps: int = 0

    @property
    def busy_ratio(self) -> float:
        """Share of the window in which it was in use."""
        return self.used_ns / self.observed_ns if self.observed_ns else 0.0

    @property
    def busy_p95(self) -> float | None:
        """The 95th percentile of five-minute means."""
        return quantile([stretch.busy for stretch in self.stretches.values()], 0.95)

    @property
    def rate_p95(self) -> float | None:
        """Requests per second, the same."""
        return quantile([stretch.requests_per_second for stretch in self.stretches.values()], 0.95)

    @property
    def p95_seconds(self) -> float | None:
        """Of its slowest model."""
        return max((model.p95_seconds for model in self.models if model.p95_seconds is not None), default=None)

    @property
    def slo_seconds(self) -> float | None:
        """The tightest promise of a model on it."""
        return min((model.slo_seconds for model in self.models if model.slo_seconds is not None), default=None)

    def while_busy(self, active: float | None) -> float | None:
        """A mean activity as one of the time in use."""
        busy = self.busy_ratio
        return None if active is None or busy < BUSY_FROM else min(active / busy, 1.0)

    @property
    def bound(self) -> str:
        """``memory``, ``compute``, ``neither``; empty where nobody read what its units did."""
        tensor, dram = self.while_busy(self.tensor_active), self.while_busy(self.dram_active)
        if tensor is None or dram is None:
            return ""
        if max(tensor, dram) < BOUND_FROM:
            return "neither"
        return "memory" if dram > tensor else "compute"


def quantile(values: Sequence[float], q: float) -> float | None:
    """The smallest value that at least a share *q* of them does not exceed; None of none."""
    ordered = sorted(values)
    return ordered[max(math.ceil(q * len(ordered)) - 1, 0)] if ordered else None
