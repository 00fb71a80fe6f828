"""What a process spends before its first answer: stamped as it happens, sent once."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from inferometer.catalog.phases import IN_ORDER, Phase
from inferometer.catalog.stages import Outcome
from inferometer.record.model import Moment
from inferometer.wire.layout import PHASES, REQUESTS

if TYPE_CHECKING:
    from inferometer.recorder.shapes import Shapes

WAIT_NS: Final = 60 * 10**9
"""So long after it is ready, a process that nobody asks tells of its start without a first request."""
MAX_LOADS: Final = 100
_AT: Final = {name: index for index, name in enumerate(REQUESTS.names)}
_ARRIVALS: Final = tuple(_AT[moment.name.lower()] for moment in (Moment.ARRIVAL, Moment.START, Moment.ENTRY))
_ENDS: Final = tuple(_AT[moment.name.lower()] for moment in (Moment.LAST, Moment.DONE))
_OUTCOME: Final = _AT["outcome"]


class ColdStart:
    """Stamps of one process; told by hooks, read by the flusher.

    Args:
        start_ns: when the process started, CLOCK_MONOTONIC ns.
        now: CLOCK_MONOTONIC ns.
    """

    def __init__(self, start_ns: int, *, now: Callable[[], int] = time.monotonic_ns) -> None:
        self._now = now
        self._begin(start_ns)

    def _begin(self, start_ns: int) -> None:
        self._start = start_ns
        self._line = max(self._now(), start_ns)
        self._starting = 0
        self._ready = 0
        self._loads: list[tuple[str, int, int]] = []
        self._ending = False
        self._told = False

    def starting(self) -> None:
        """The application's own startup begins."""
        self._starting = self._starting or self._now()

    def ready(self) -> None:
        """The server is ready."""
        self._ready = self._ready or self._now()

    def loaded(self, model: str, start: int, end: int) -> None:
        """A model was loaded."""
        if not self._told and len(self._loads) < MAX_LOADS:
            self._loads.append((model, start, end))

    def ends(self) -> None:
        """The process ends: there will be no first request."""
        self._ending = True

    def rows(self, finished: bytes, shapes: "Shapes", *, region: str, traced: bool) -> bytes:
        """Rows of ``PHASES``, once: with the first answered request, or when it is not waited for any longer.

        Args:
            finished: rows of ``REQUESTS`` that the frame takes along.
            shapes: gives out the numbers of names.
            region: of this process.
            traced: whether our pipeline exports its spans.
        """
        if self._told or not self._ready:
            return b""
        first = _first(finished) if finished else None
        if first is None and not self._ending and self._now() - self._ready < WAIT_NS:
            return b""
        self._told = True
        place = shapes.string(region) if region else 0
        flag = int(traced)
        packed = [
            PHASES.row.pack(start, end, *link, 0, place, phase, flag, 0, 0)
            for phase, start, end, link in self._runs(first)
        ]
        packed += [
            PHASES.row.pack(start, end, 0, 0, 0, shapes.string(model), place, Phase.MODEL_LOAD, flag, 0, 0)
            for model, start, end in self._loads
        ]
        self._loads.clear()
        return b"".join(packed)

    def _runs(self, first: tuple[int, ...] | None) -> Iterator[tuple[Phase, int, int, tuple[int, int, int]]]:
        """The phases that follow each other; one that took no time is left out."""
        bounds = [self._start, self._line, self._starting or self._ready, self._ready]
        if first is not None:
            bounds += [_arrival(first), _end(first)]
        at = bounds[0]
        for phase, bound in zip(IN_ORDER, bounds[1:], strict=False):
            # A request may have come to the listening socket before its worker was ready.
            end = max(bound, at)
            if end > at:
                link = (first[0], first[1], first[2]) if first and phase is Phase.FIRST_REQUEST else (0, 0, 0)
                yield phase, at, end, link
            at = end

    def after_fork(self, start_ns: int) -> None:
        """In a forked child: another process, that started when it was forked."""
        self._begin(start_ns)


def _first(finished: bytes) -> tuple[int, ...] | None:
    # A status tells nothing here: gRPC's of success is 0, and a job has none.
    answered = (row for row in REQUESTS.row.iter_unpack(finished) if row[_OUTCOME] != Outcome.CANCELLED)
    return min(answered, key=_end, default=None)


def _arrival(row: tuple[int, ...]) -> int:
    return next((row[index] for index in _ARRIVALS if row[index]), 0)


def _end(row: tuple[int, ...]) -> int:
    return next((row[index] for index in _ENDS if row[index]), 0)
