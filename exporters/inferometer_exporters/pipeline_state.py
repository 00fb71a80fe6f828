"""What of the sidecar's pipeline must survive it: sections of the state file, and how they are read again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from inferometer.aggregate import Aggregator, RequestMeter
from inferometer.errors import StateError
from inferometer.intake.worker_series import WorkerSeries
from inferometer_exporters.opens import Opens
from inferometer_exporters.recorder.store import Recorder
from inferometer_exporters.settlement import Settlement
from inferometer_exporters.traces import Traces
from inferometer_exporters.unstored import Unstored

FORMAT: Final = 1
"""Of the sidecar's sections of the state file; their columns are part of it."""
_SERIES: Final = "sidecar.series"
_METER: Final = "sidecar.meter"
_WORKERS: Final = "sidecar.workers"
_CLOCK: Final = "sidecar.clock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """The parts of a pipeline that have something to lose."""

    recorder: Recorder
    aggregator: Aggregator
    meter: RequestMeter
    workers: WorkerSeries
    unstored: Unstored
    traces: Traces
    opens: Opens
    settlement: Settlement


def dump(parts: Lasting, wall_ns: int) -> Mapping[str, bytes]:
    """Everything that must survive, at *wall_ns* since the epoch."""
    clock = {
        "format": FORMAT,
        "wall_ns": wall_ns,
        "frames": list(parts.settlement.frames.items()),
        "recorder": parts.recorder.identity,
    }
    return {
        _SERIES: parts.aggregator.dump(),
        _METER: parts.meter.dump(),
        _CLOCK: json.dumps(clock).encode(),
        _WORKERS: parts.workers.dump(),
        **parts.unstored.dump(),
        **parts.traces.dump(),
        **parts.opens.dump(),
        **parts.settlement.dump(),
    }


def load(parts: Lasting, sections: Mapping[str, bytes], now_ns: int, wall_ns: int, *, same_boot: bool) -> None:
    """Go on where a state ended.

    Args:
        parts: of a pipeline that has done nothing yet.
        sections: what `dump` returned.
        now_ns: CLOCK_MONOTONIC.
        wall_ns: since the epoch.
        same_boot: the state is on the same CLOCK_MONOTONIC.

    Raises:
        StateError: a section is not as `dump` writes it.
    """
    try:
        clock = json.loads(sections[_CLOCK])
        if clock["format"] != FORMAT:
            raise StateError(f"a state of format {clock['format']}, {FORMAT} is right")
        parts.aggregator.load(sections[_SERIES])
        parts.meter.load(sections[_METER])
        parts.workers.load(sections[_WORKERS])
        wall, frames, identity = int(clock["wall_ns"]), dict(clock["frames"]), clock["recorder"]
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(f"the sidecar's state is not as it writes it: {error}") from error
    same_names = identity == parts.recorder.identity
    gap = None if same_boot else max(wall_ns - wall, 0)
    parts.unstored.load(sections, same_names=same_names)
    parts.settlement.load(sections, now_ns, gap=gap, same_names=same_names)
    if same_names:
        parts.opens.load(sections)
    if same_boot:
        parts.settlement.frames = frames
    parts.traces.load(sections, same_boot=same_boot)
