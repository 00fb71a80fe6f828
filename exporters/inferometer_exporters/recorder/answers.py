"""What the recorder answers: the JSON of the sidecar's API, and the return types of `recorder.queries`.

Seconds, US dollars, ratios 0-1. Ids are lower-case hex: 32 digits of a trace, 16 of a span. Unknown is null.
"""

from typing import TypedDict


class Percentiles(TypedDict):
    """Of a duration, in seconds."""

    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    p999_seconds: float | None


class StageShare(TypedDict):
    """A part of requests' time, 0-1."""

    stage: str
    kind: str
    """Empty where the stage has no kinds."""
    share: float


class ModelAnswer(Percentiles):
    """One model's requests; warm-up requests are left out."""

    service: str
    model: str
    version: str
    requests: int
    outcomes: dict[str, int]
    first_chunk: Percentiles | None
    """Time to the first chunk; null where no answer was a stream."""
    first_token: Percentiles | None
    """Time to the first output token; null where none was seen."""
    time_per_output_token: Percentiles | None
    tokens_in: int | None
    """Of all requests; null where nobody said how many."""
    tokens_out: int | None
    stages: dict[str, float]
    """Share of each stage in the time of all requests; they sum to 1."""
    tail: list[StageShare]
    """The same of the requests at and above p99, largest first, by stage and kind."""
    callee: str
    """The service on which the tail's `remote` was spent, where it is instrumented; else host:port; else empty."""
    device_seconds: float
    cost_usd: float | None
    """Marginal; null where a device has no price."""
    cost_usd_per_1k: float | None


class ObjectiveAnswer(TypedDict):
    """An objective of fleet.yaml and the requests that count for it."""

    slo: str
    service: str
    model: str
    objective: str
    sli: str
    threshold_seconds: float | None
    target_ratio: float
    good: int
    bad: int


class StageTime(Percentiles):
    """Time of one stage, or of whole requests, in a bucket."""

    total_seconds: float
    """Of all requests of the bucket."""


class StageBucket(TypedDict):
    """Requests of one model that began in one stretch of time."""

    start_seconds: float
    """Seconds since the epoch."""
    requests: int
    duration: StageTime
    stages: dict[str, StageTime]
    """By stage; without those that no request had. Their totals sum to the duration's."""


class ModelStages(TypedDict):
    """One model's stages by time."""

    service: str
    model: str
    version: str
    buckets: list[StageBucket]


class StagesAnswer(TypedDict):
    """``/api/stages``."""

    bucket_seconds: float | None
    """Null where no request matches."""
    models: list[ModelStages]


class CostAnswer(TypedDict):
    """What one tenant's requests to a model cost; the tenant is the one that the entry hop names."""

    service: str
    model: str
    tenant: str
    requests: int
    device_seconds: float
    cost_usd: float | None


class DeviceAnswer(TypedDict):
    """A billed device: its price, what it did, what that cost; since the time asked for."""

    device: str
    usd_per_hour: float | None
    price_kind: str
    price_source: str
    price_as_of: str
    bill_usd: float | None
    idle_usd: float | None
    idle_ratio: float | None
    """Idle cost's part of the bill."""
    ledger_seconds: dict[str, float]
    residual_ratio: float
    """What the states miss of the time between first and last entry; 0 when the ledger adds up."""


class SummaryAnswer(TypedDict):
    """``/api/summary``."""

    requests: int
    """Requests of the fleet: those without an instrumented caller."""
    hops: int
    """All records in the window."""
    recorded_requests: int
    """All records in the file."""
    kept_traces: int
    models: list[ModelAnswer]
    objectives: list[ObjectiveAnswer]
    costs: list[CostAnswer]
    devices: list[DeviceAnswer]


class RequestAnswer(TypedDict):
    """A row of ``/api/slowest``."""

    trace_id: str
    span_id: str
    service: str
    model: str
    version: str
    tenant: str
    method: str
    route: str
    outcome: str
    status: int
    wall_seconds: float
    """When it began, seconds since the epoch."""
    duration_seconds: float
    device: str
    """Of its longest run; empty without one."""
    device_seconds: float
    cost_usd: float | None
    """Marginal; null where a device that it used has no price."""
    cost_method: str
    """How its device time was found; empty where it used no device, or nobody knows."""
    energy_joules: float | None
    """Null where a device that it used tells no energy."""


class ListedRequest(RequestAnswer):
    """A row of ``/api/requests``."""

    stages: dict[str, float]
    """Seconds by stage, exact; they sum to the duration. Without those that it did not have."""


class RequestsAnswer(TypedDict):
    """``/api/requests``."""

    requests: list[ListedRequest]
    """Newest first, or as ``sort`` says."""
    next: str | None
    """What to ask for as ``after`` for the page that follows; null on the last one, and in other orders."""
