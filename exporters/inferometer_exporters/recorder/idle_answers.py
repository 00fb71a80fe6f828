"""What the recorder answers about idle devices: the JSON of ``/api/cost/idle``.

US dollars, seconds, ratios 0-1; times in seconds since the epoch, hours of the day in UTC. Unknown is null.
"""

from typing import TypedDict

from inferometer_exporters.recorder.cost_answers import StateCost, WindowAnswer


class HourOfDay(TypedDict):
    """One hour of the day, over all days of the window."""

    hour: int
    seconds: float
    """That the ledger knows of."""
    idle_ratio: float | None
    idle_usd: float | None


class Gap(TypedDict):
    """A stretch in which nothing ran on a device; cut at the window's edges."""

    begin_seconds: float
    seconds: float
    state: str
    """In which most of it was spent."""


class Resident(TypedDict):
    """A model that ran on a device in the window."""

    service: str
    model: str
    version: str
    device_seconds: float
    last_seconds: float
    """When its last run ended."""


class ScaleToZero(TypedDict):
    """What stopping the device in its gaps would have saved.

    ``saved = (sum of (gap - cold start) over gaps longer than a cold start) - gaps * cold start``, times the price:
    it is stopped once it stood idle for as long as a cold start takes, and a cold start is paid before it serves again.
    """

    cold_start_seconds: float | None
    cold_start_source: str
    """``said``, or that it is the longest load of a model that the ledger saw; empty where it is unknown."""
    gaps: int
    """Longer than a cold start."""
    gap_seconds: float
    saved_seconds: float | None
    """Below 0: it would have cost more."""
    saved_usd: float | None
    per_month_usd: float | None
    """At this rate over 730 hours; null of less than a day."""


class DeviceIdle(TypedDict):
    """How long one device stood idle, and what that cost."""

    device: str
    usd_per_hour: float | None
    seconds: float
    bill_usd: float | None
    idle_usd: float | None
    idle_ratio: float | None
    """Of time."""
    per_month_usd: float | None
    """What it costs to stand idle at this rate; null of less than a day."""
    states: dict[str, StateCost]
    """Idle ones."""
    hours: list[HourOfDay]
    """All 24."""
    gaps: int
    """Of a second or longer."""
    longest: list[Gap]
    models: list[Resident]
    scale_to_zero: ScaleToZero


class IdleReport(TypedDict):
    """``/api/cost/idle``."""

    window: WindowAnswer
    devices: list[DeviceIdle]
    """The one whose idleness costs most first."""
    bill_usd: float | None
    idle_usd: float | None
