"""What is known of a record whose trace is kept: the process it comes from, its stages, what it cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from inferometer.record.model import Batch, RequestRecord
from inferometer.record.partition import Partition
from inferometer.wire.pod import Pod


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """The process that a span comes from."""

    service: str
    host: str
    pid: int
    region: str = ""
    pod: Pod = field(default_factory=Pod)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """How a device was while a request executed on it; None where nobody read it."""

    device: str
    is_host: bool = False
    """A CPU host, whose utilization is not that of a GPU."""
    utilization: float | None = None
    """Mean, 0-1."""
    sm_clock_hertz: float | None = None
    """Mean."""
    temperature_celsius: float | None = None
    """The highest."""
    throttle_reasons: tuple[str, ...] = ()
    throttled_ns: int | None = None
    """Time of the run in which the device was held down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlay:
    """What a request cost and how its device was, as far as it is known; None where it is not."""

    device_ns: int | None = None
    cost_picodollars: int | None = None
    energy_microjoules: int | None = None
    method: str = ""
    """How device time was attributed; empty where it was not."""
    state: DeviceState | None = None
    """Of the device of its longest run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A record whose trace is kept, with all that its spans say."""

    record: RequestRecord
    partition: Partition
    resource: Resource
    wall_offset_ns: int
    """Wall time minus CLOCK_MONOTONIC, by the anchor of the record's frame."""
    reason: str
    """One of ``catalog.labels.KEEP_REASON``."""
    outlay: Outlay | None = None
    batches: Mapping[int, Batch] = field(default_factory=dict)
    """Batches of the record's executes, by id, as far as they are known."""
