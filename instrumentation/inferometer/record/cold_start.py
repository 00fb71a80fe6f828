"""The cold start of a process: what it spent until it was ready, and until its first request was answered."""

from collections.abc import Sequence
from dataclasses import dataclass

from inferometer.catalog.phases import IN_ORDER, Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRun:
    """One phase, in ns of CLOCK_MONOTONIC."""

    phase: Phase
    start: int
    end: int
    model: str = ""
    """Of a load."""
    trace_id: int = 0
    """Of the first request."""
    span_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """All phases; those of `IN_ORDER` follow each other without a gap, loads lie inside of them."""

    worker_id: bytes
    region: str
    traced: bool
    """Whether our pipeline exports its spans."""
    phases: Sequence[PhaseRun]

    @property
    def start(self) -> int:
        """The process's start."""
        return min(run.start for run in self.phases)

    @property
    def end(self) -> int:
        """The first answer, or as far as anybody knows."""
        return max(run.end for run in self.phases)

    @property
    def ready_ns(self) -> int:
        """Time from the process's start until it was ready to serve."""
        return sum(run.end - run.start for run in self.phases if run.phase in _UNTIL_READY)


_UNTIL_READY = frozenset(IN_ORDER[:3])
