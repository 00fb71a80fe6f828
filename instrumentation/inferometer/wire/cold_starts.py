"""From the rows of a frame to a cold start."""

from inferometer.catalog.phases import Phase
from inferometer.record.cold_start import ColdStart, PhaseRun
from inferometer.wire.frame import Frame, Names
from inferometer.wire.layout import PHASES

_SLACK_NS = 60 * 10**9
"""A phase that ends so long after its frame was made is none: the process may have been stopped between the two."""
_PHASES = {int(phase): phase for phase in Phase}


def cold_start(frame: Frame, names: Names) -> ColdStart | None:
    """The cold start of the frame's worker; None in every frame but one.

    Args:
        frame: that was received.
        names: all names of the worker, those of this frame included.
    """
    runs: list[PhaseRun] = []
    regions: list[str] = []
    exported = False
    for start, end, hi, lo, span, model, region, phase, traced, _, _ in frame.rows(PHASES):
        if phase not in _PHASES or not 0 < start <= end <= frame.monotonic_ns + _SLACK_NS:
            continue
        regions.append(names.strings.get(region, ""))
        exported |= bool(traced)
        runs.append(
            PhaseRun(
                phase=_PHASES[phase],
                start=start,
                end=end,
                model=names.strings.get(model, ""),
                trace_id=hi << 64 | lo,
                span_id=span,
            )
        )
    if not runs:
        return None
    return ColdStart(worker_id=frame.worker_id, region=regions[0], traced=exported, phases=tuple(runs))
