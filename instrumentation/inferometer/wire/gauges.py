"""The state of a worker that travels in every frame, as JSON: rare, small, and free to grow.

Counters here are absolute since the worker's start; the Intake adds differences, so a frame that is dropped loses none.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

from inferometer.errors import WireError


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """What a worker says of itself at a flush."""

    in_flight: int = 0
    queue_depth: Mapping[str, int] = field(default_factory=dict)
    """Model -> requests that wait in a batch queue."""
    event_loop_lag_ns: int = 0
    accept_queues: tuple[int, ...] = ()
    """Connections that wait to be accepted, by listening socket."""
    threads: tuple[int, ...] = ()
    """Threads for synchronous endpoints: all, in use, calls that wait for one; empty where nobody asked for one yet."""
    proxy_skews: int = 0
    """Waits in a proxy that its clock made impossible, since the start."""
    drops: Mapping[str, int] = field(default_factory=dict)
    """Reason (catalog.labels.DROP_REASON) -> records given up since the start."""
    hooks: Mapping[str, str] = field(default_factory=dict)
    """Hook -> status (catalog.labels.HOOK_STATUS)."""
    hook_errors: Mapping[str, int] = field(default_factory=dict)
    """Hook -> errors caught since the start."""
    cpu_ns: int = 0
    """CPU time of the process since its start."""
    resident_bytes: int = 0
    gc_collections: tuple[int, ...] = ()
    """Collections since the start, by generation."""
    model_loads: tuple[tuple[str, int], ...] = ()
    """(model, ns) of loads since the last frame."""
    load_devices: tuple[str, ...] = ()
    """Device of each of them; empty where it is not known."""

    def to_json(self) -> dict[str, object]:
        """The form in which it travels."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> "Gauges":
        """Read it; fields of another version are ignored, absent ones keep their defaults.

        Raises:
            WireError: a field has another type than this version writes.
        """
        known = {entry.name for entry in fields(cls)}
        given = {name: value for name, value in data.items() if name in known}
        for name, value in given.items():
            default = _DEFAULTS[name]
            if isinstance(default, tuple):
                if not isinstance(value, list | tuple):
                    raise WireError(f"gauge {name} is {type(value).__name__}, a list is right")
                given[name] = tuple(tuple(item) if isinstance(item, list) else item for item in value)
            elif not isinstance(value, type(default)):
                raise WireError(f"gauge {name} is {type(value).__name__}, {type(default).__name__} is right")
        for load in given.get("model_loads", ()):  # type: ignore[attr-defined]  # a tuple, checked just above
            if not (isinstance(load, tuple) and [type(part) for part in load] == [str, int]):
                raise WireError(f"gauge model_loads has {load!r}, a name and nanoseconds are right")
        return cls(**given)  # type: ignore[arg-type]  # checked against the defaults just above


_DEFAULTS = {entry.name: getattr(Gauges(), entry.name) for entry in fields(Gauges)}
