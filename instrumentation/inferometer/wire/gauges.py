"""The state of a worker that travels in every frame, as JSON: rare, small, and free to grow.

Counters here are absolute since the worker's start; the Intake adds differences, so a frame that is dropped loses none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields

from inferometer.errors import WireError
from inferometer.wire.frame import LATEST_NS, plain


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
        # asdict() copies all of it, which takes longer than the rest of a frame.
        return {name: getattr(self, name) for name in _DEFAULTS}

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> "Gauges":
        """Read it; fields of another version are ignored, absent ones keep their defaults.

        Raises:
            WireError: a field has another type than this version writes.
        """
        known = {entry.name for entry in fields(cls)}
        given = {name: _checked(name, value) for name, value in data.items() if name in known}
        return cls(**given)  # type: ignore[arg-type]  # checked against the defaults


def _checked(name: str, value: object) -> object:
    default = _DEFAULTS[name]
    if isinstance(default, tuple):
        if not isinstance(value, list | tuple):
            raise WireError(f"gauge {name} is {type(value).__name__}, a list is right")
        one = _OF_ITEMS.get(name, _number)
        return tuple(one(name, item) for item in value)
    if isinstance(default, Mapping):
        if not isinstance(value, Mapping):
            raise WireError(f"gauge {name} is {type(value).__name__}, dict is right")
        held = _text if name in _OF_TEXTS else _number
        return {plain(key): held(name, item) for key, item in value.items()}
    return _number(name, value)


def _number(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise WireError(f"gauge {name} is {type(value).__name__}, int is right")
    if not 0 <= value < LATEST_NS:
        raise WireError(f"gauge {name} is {str(value)[:30]}, a number from 0 is right")
    return value


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise WireError(f"gauge {name} holds {type(value).__name__}, str is right")
    return plain(value)


def _pair(name: str, value: object) -> tuple[str, int]:
    if not isinstance(value, list | tuple) or len(value) != 2:  # noqa: PLR2004 - a pair
        raise WireError(f"gauge {name} holds {str(value)[:100]}, [text, number] is right")
    return _text(name, value[0]), _number(name, value[1])


_OF_TEXTS = frozenset({"hooks", "load_devices"})
_OF_ITEMS: dict[str, Callable[[str, object], object]] = {"model_loads": _pair, "load_devices": _text}
_DEFAULTS = {entry.name: getattr(Gauges(), entry.name) for entry in fields(Gauges)}
