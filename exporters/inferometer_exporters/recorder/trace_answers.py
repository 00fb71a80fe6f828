"""What the recorder answers about one trace: the JSON of ``/api/trace``.

Units and unknowns are those of `recorder.answers`.
"""

from typing import TypedDict

from inferometer_exporters.recorder.answers import RequestAnswer


class DeviceStateAnswer(TypedDict):
    """How the device of a hop's longest run was while it executed; null where nobody read it."""

    device: str
    utilization_ratio: float | None
    """Mean, of the GPU or of the CPU host."""
    sm_clock_hertz: float | None
    temperature_celsius: float | None
    """The highest."""
    throttle_reasons: list[str] | None
    """Of a GPU: why its clocks were held down; empty where they were not."""
    throttled_seconds: float | None
    """Time of the run in which clocks, or a CPU quota, held the device down."""


class SegmentAnswer(TypedDict):
    """A stretch of a hop that one stage owns; seconds after the hop's start."""

    stage: str
    kind: str
    start_seconds: float
    duration_seconds: float
    merged: int


class CallAnswer(TypedDict):
    """An outgoing attempt of a hop; seconds after the hop's start."""

    span_id: str
    target: str
    method: str
    status: int
    outcome: str
    """Why nobody answered; empty where somebody did, or it is not known."""
    attempt: int
    start_seconds: float
    duration_seconds: float


class ExecuteAnswer(TypedDict):
    """A run of a model that a hop had part in; seconds after the hop's start."""

    device: str
    batch_id: str
    """Empty without a batch."""
    batch_size: int
    rows: int
    start_seconds: float
    duration_seconds: float
    device_seconds: float
    cost_usd: float | None
    cost_method: str
    energy_joules: float | None


class HopAnswer(RequestAnswer):
    """One hop of a trace."""

    parent_span_id: str
    """Span id of the hop that called it; empty at the entry, or where the caller is not recorded."""
    request_class: str
    start_seconds: float
    """After the start of the trace's first hop."""
    first_chunk_seconds: float | None
    first_token_seconds: float | None
    """After the hop's start, as the first chunk; None where no token was seen."""
    time_per_output_token_seconds: float | None
    tokens_in: int | None
    """None where nobody said how many."""
    tokens_out: int | None
    bytes_in: int
    bytes_out: int
    stages: dict[str, float]
    """Seconds by stage, exact; they sum to the duration."""
    device_state: DeviceStateAnswer | None
    segments: list[SegmentAnswer]
    calls: list[CallAnswer]
    executes: list[ExecuteAnswer]


class SpanAnswer(TypedDict):
    """A span of somebody else, by its sender's clock."""

    span_id: str
    parent_span_id: str
    """Empty where it has none."""
    request_span_id: str
    """The hop that it belongs to; empty where none was found."""
    service: str
    name: str
    kind: int
    """``SpanKind`` of OTLP."""
    failed: bool
    start_seconds: float
    """After the start of the trace's first hop."""
    duration_seconds: float


class TraceAnswer(TypedDict):
    """``/api/trace/{id}``."""

    trace_id: str
    kept: str
    """Why its trace was kept; empty where it was not."""
    cost_usd: float | None
    """Of all hops, marginal; null where a device has no price, or none was used."""
    device_seconds: float
    energy_joules: float | None
    """Of all hops; null where a device tells none, or none was used."""
    unpriced_devices: list[str]
    """Devices that were used and have no price."""
    hops: list[HopAnswer]
    """By start."""
    spans: list[SpanAnswer]
    """The first ones of others, by start."""
