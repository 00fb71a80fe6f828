"""A segment as one integer: how the flight recorder stores the list of a request's segments.

``duration_ns << 18 | merged << 10 | stage << 6 | kind``. Segments touch, so their order and the request's start say
when each began. What does not fit is held down, never wrapped: 9 hours of one segment, 255 merged ones. Totals per
stage have columns of their own and are exact.
"""

from collections.abc import Iterable

import numpy as np

from inferometer.catalog.stages import Kind, Stage
from inferometer.record.claims import RANKS
from inferometer.record.partition import Segment
from inferometer_exporters.columns.tables import Ints

DURATION_SHIFT = 18
MERGED_SHIFT = 10
STAGE_SHIFT = 6
KIND_MASK = 0x3F
STAGE_MASK = 0xF
MERGED_MAX = 0xFF
DURATION_MAX = (1 << 63 - DURATION_SHIFT) - 1

RANK_CODE: Ints = np.array([stage << STAGE_SHIFT | kind for stage, kind in RANKS], np.int64)
RANK_STAGE: Ints = np.array([stage for stage, _ in RANKS], np.int64)
_STAGES = {int(stage): stage for stage in Stage}
_KINDS = {int(kind): kind for kind in Kind}


def codes(duration: Ints, rank: Ints) -> Ints:
    """Codes of segments that are not merged."""
    return np.minimum(duration, DURATION_MAX) << DURATION_SHIFT | 1 << MERGED_SHIFT | RANK_CODE[rank]


def code(segment: Segment) -> int:
    """The code of one segment."""
    merged = min(segment.merged, MERGED_MAX) << MERGED_SHIFT
    duration = min(segment.duration_ns, DURATION_MAX) << DURATION_SHIFT
    return duration | merged | segment.stage << STAGE_SHIFT | segment.kind


def segments(coded: Iterable[int], start: int) -> list[Segment]:
    """The segments of a request that began at *start*, in ns of any clock."""
    found = []
    for value in coded:
        end = start + (value >> DURATION_SHIFT)
        stage = _STAGES.get(value >> STAGE_SHIFT & STAGE_MASK, Stage.OTHER)
        kind = _KINDS.get(value & KIND_MASK, Kind.NONE)
        found.append(Segment(start, end, stage, kind, value >> MERGED_SHIFT & MERGED_MAX))
        start = end
    return found
