"""The figures of a run: what the report shows and ``--json`` prints, in base units."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from inferometer_compose.screens.waterfall import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class TailShare:
    """What part of the slowest requests' time one stage has, 0-1."""

    stage: str
    kind: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTimes:
    """How long one model's requests took.

    Attributes:
        first_chunk: The times are those to the first part of a streamed answer.
        by_buckets: The times are ends of buckets of an engine's own page: at most so long.
        tail: Of the slowest requests, the largest share first.
        callee: Who the remote part of the tail was spent on.
    """

    service: str
    model: str
    version: str = ""
    requests: int
    first_chunk: bool = False
    by_buckets: bool = False
    p50_seconds: float | None = None
    p95_seconds: float | None = None
    p99_seconds: float | None = None
    p999_seconds: float | None = None
    stages: Mapping[str, float] = field(default_factory=dict)
    tail: tuple[TailShare, ...] = ()
    callee: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertStory:
    """An alert from firing to its end; times in seconds after the start of the load.

    Attributes:
        tier: Which pair of windows it watches; an objective has several.
        about: Service and model, device or what else it is about.
    """

    name: str
    severity: str
    tier: str
    slo: str
    about: str = ""
    fired_at: float
    received_at: float
    resolved_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """An alert that fired and that nobody was told of, because another one fired too.

    Attributes:
        about: Service and model, device or what else it is about.
        fired_at: Seconds after the start of the load.
        cause: Name of the alert that held it back.
    """

    name: str
    tier: str
    about: str
    fired_at: float
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A promise and how it stands; events are requests that count."""

    slo: str
    service: str
    model: str
    name: str
    threshold_seconds: float | None
    target_ratio: float
    good: int
    bad: int

    @property
    def now_ratio(self) -> float | None:
        """Share of good events; unknown without events."""
        total = self.good + self.bad
        return self.good / total if total else None

    @property
    def spent_ratio(self) -> float | None:
        """Bad events as a multiple of those that the target allows."""
        total = self.good + self.bad
        return self.bad / (total * (1 - self.target_ratio)) if total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantCost:
    """What one tenant's requests to a model cost."""

    requests: int
    usd: float

    @property
    def per_thousand_usd(self) -> float | None:
        """Per 1,000 requests."""
        return 1000 * self.usd / self.requests if self.requests else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCost:
    """What a model's requests cost, marginal: without idle time."""

    service: str
    model: str
    tenants: Mapping[str, TenantCost]

    @property
    def total(self) -> TenantCost:
        """All tenants."""
        costs = self.tenants.values()
        return TenantCost(requests=sum(cost.requests for cost in costs), usd=sum(cost.usd for cost in costs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A billed device: its price, its bill and what it did."""

    device: str
    usd_per_hour: float | None
    price_kind: str
    price_source: str
    price_as_of: str
    bill_usd: float | None
    idle_usd: float | None
    ledger_seconds: Mapping[str, float]
    residual_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Everything the report says; ``alerts_missing`` says why there can be none, where something is not there."""

    requests: int
    times: tuple[ModelTimes, ...]
    objectives: tuple[Objective, ...]
    costs: tuple[ModelCost, ...]
    devices: tuple[Device, ...]
    alerts: tuple[AlertStory, ...]
    alerts_missing: str
    held_back: tuple[HeldBack, ...] = ()
    slowest: Trace | None
    recorded_requests: int
    kept_traces: int
    exported_to: str = ""
