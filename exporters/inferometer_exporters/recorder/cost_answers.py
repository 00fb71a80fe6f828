"""What the recorder answers about money: the JSON of ``/api/cost``.

US dollars, seconds, joules, ratios 0-1; times in seconds since the epoch. Unknown is null.
"""

from typing import TypedDict


class WindowAnswer(TypedDict):
    """The stretch of time that figures are of."""

    begin_seconds: float
    end_seconds: float
    whole: bool
    """False where less is recorded than was asked for."""


class TokenCost(TypedDict):
    """Cost per token, of requests that told their tokens."""

    per_1m_tokens_usd: float | None
    """Of tokens read and written together."""
    per_1m_input_tokens_usd: float | None
    """Cost of prefill per token read; known where runs say which phase they were, as the one that follows."""
    per_1m_output_tokens_usd: float | None


class GroupCost(TokenCost):
    """What the requests of one group cost."""

    keys: dict[str, str]
    """Of the dimensions that were asked for."""
    requests: int
    """As `CostReport.counted` says."""
    device_seconds: float
    cost_usd: float | None
    """Marginal: the device time that they used, at its price. Null where none of it has a price."""
    loaded_usd: float | None
    """Fully loaded: with their part of what their devices' bills hold besides, in proportion to marginal cost."""
    share_ratio: float | None
    """Of the bill, fully loaded."""
    per_1k_usd: float | None
    loaded_per_1k_usd: float | None
    idle_ratio: float | None
    """Part of the fully loaded cost that is not marginal."""
    wasted_usd: float | None
    """Of failed, timed out, rejected and cancelled requests, and of those whose caller gave them up."""
    wasted_ratio: float | None
    """Of device time."""
    joules: float | None
    """Null unless all device time was metered."""
    unpriced_device_seconds: float
    methods: list[str]
    """How the shares were found."""


class StateCost(TypedDict):
    """What one state of a device came to."""

    seconds: float
    usd: float | None


class DeviceCost(TypedDict):
    """A device's bill and where it went. ``requests + warm-up + carried + the other states = bill``."""

    device: str
    usd_per_hour: float | None
    price_kind: str
    price_source: str
    price_as_of: str
    seconds: float
    """Wall time that the ledger entered."""
    bill_usd: float | None
    requests_usd: float | None
    warmup_usd: float | None
    carried_usd: float | None
    """Of requests that had not ended at the window's end, less what those that ended in it had used before it."""
    states: dict[str, StateCost]
    """`attributed` is what requests, warm-up and carried sum to."""
    idle_usd: float | None
    idle_ratio: float | None
    residual_seconds: float
    """What the states miss of wall time: 0 when the ledger adds up."""


class TotalCost(TypedDict):
    """The bill of all devices that have a price, and what it went for; the parts sum to it."""

    requests: int
    """That entered the fleet."""
    device_seconds: float
    bill_usd: float | None
    requests_usd: float | None
    warmup_usd: float | None
    carried_usd: float | None
    system_usd: float | None
    idle_usd: float | None
    idle_ratio: float | None
    wasted_usd: float | None
    wasted_ratio: float | None
    unused_usd: float | None
    """Of `bill_usd`: of devices that served no request, in nobody's fully loaded cost."""
    per_1k_usd: float | None
    loaded_per_1k_usd: float | None
    joules: float | None
    residual_usd: float | None
    """What the parts miss of the bill: 0 when it adds up."""
    unpriced_devices: list[str]
    unpriced_seconds: float
    """Wall time of devices without a price: on no bill that we know of."""
    methods: list[str]


class CostReport(TypedDict):
    """``/api/cost``."""

    window: WindowAnswer
    by: list[str]
    counted: str
    """``entry requests``: those that entered the fleet; ``requests``: those to each service."""
    groups: list[GroupCost]
    """Dearest first."""
    devices: list[DeviceCost]
    total: TotalCost


class FocusAnswer(TypedDict):
    """``/api/cost/focus``: rows as the FinOps Open Cost and Usage Specification names their columns."""

    columns: list[str]
    rows: list[list[str]]
    """An empty text is null."""
