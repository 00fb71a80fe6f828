"""The seam between the Intake and what consumes records: the local pipeline and the sidecar's implement it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from inferometer.wire.frame import Frame, Names
from inferometer.wire.pod import Pod


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """Who a worker is, from its HELLO."""

    worker_id: bytes
    """16 random bytes per process."""
    pid: int
    service: str
    sdk_version: str
    host: str
    start_ns: int
    """CLOCK_MONOTONIC ns at which the process started."""
    pod: Pod = field(default_factory=Pod)
    """Where it runs."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A frame that is new: its (worker, sequence) was never absorbed before."""

    worker: WorkerInfo
    frame: Frame
    names: Names
    """All names of the worker so far, those of this frame included; it grows in place, do not modify it."""


class Pipeline(Protocol):
    """What a pass of the Intake drives, always from one thread.

    Order in a pass: ``absorb``, ``tick``; if either says that something must be durable: ``commit(n)``, ``dump``,
    state file n (the commit point); then ``publish``, and only then are the frames acknowledged.
    Order at the start: ``load`` (where a state was found), ``rollback``.
    """

    def absorb(self, arrivals: Sequence[Arrival]) -> bool:
        """Take in new frames, in the order of each worker's sequence.

        Returns:
            Whether anything changed that must survive a kill -9: any counter that is shown, any record.
            A frame that only says "I am here" changes nothing of that kind.
        """
        ...

    def departed(self, worker_ids: Sequence[bytes]) -> bool:
        """End what these workers left open: they closed their connection long ago, or were silent for too long.

        Returns:
            As `absorb`.
        """
        ...

    def tick(self, now_ns: int) -> bool:
        """Do what time alone brings about, at CLOCK_MONOTONIC *now_ns*: slow open requests, results of exports.

        Returns:
            As `absorb`.
        """
        ...

    def commit(self, number: int, *, previous_ns: int | None) -> None:
        """Make rows of pass *number* durable elsewhere (the flight recorder); they must carry that number.

        Args:
            number: of this pass; counts up by 1 over durable passes, also across restarts.
            previous_ns: how long the previous durable pass took; None at the first.
        """
        ...

    def rollback(self, number: int | None) -> int:
        """Delete rows of passes after *number*: they were committed without reaching the commit point.

        Args:
            number: of the last state; None where there is no state (first start, or it was damaged): keep all rows.

        Returns:
            The newest pass number among the rows that remain, 0 without rows.
        """
        ...

    def dump(self) -> Mapping[str, bytes]:
        """The whole state as named sections of bytes; names starting with ``intake.`` belong to the Intake."""
        ...

    def load(self, sections: Mapping[str, bytes], *, same_boot: bool) -> None:
        """Take over a state that `dump` made, before the first `absorb`.

        Args:
            sections: what `dump` returned.
            same_boot: False where the host restarted since: stamps of the state are on another clock.

        Raises:
            StateError: a section is not as `dump` writes it.
        """
        ...

    def publish(self) -> None:
        """Show what is durable now: swap the snapshot that ``/metrics`` renders."""
        ...
