"""Sources of readings, each sampled in a thread of its own: a driver call that hangs costs its readings alone."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from inferometer.catalog.model import Series

_log = logging.getLogger(__name__)

PERIOD_SECONDS: Final = 1.0
DEADLINE_SECONDS: Final = 5.0
"""Readings older than this are absent: what nobody reads now is unknown now."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A value of a series, as it is now."""

    entry: Series
    labels: tuple[str, ...]
    """In the order of ``entry.label_names``."""
    value: int | float
    """In the entry's stored unit; of a counter the total so far."""


class Source(Protocol):
    """Where readings come from."""

    @property
    def name(self) -> str:
        """Value of the label ``source`` on its errors."""
        ...

    def read(self) -> Iterable[Reading]:
        """All readings now; what is unknown is left out. May block, may raise: neither harms the sidecar."""
        ...


@dataclass(slots=True)
class _Sampled:
    source: Source
    readings: tuple[Reading, ...] = ()
    finished: float = 0.0
    errors: int = 0
    complaint: str = field(default="")


class Sampler:
    """Samples sources; nothing is read before `start`.

    Args:
        sources: each gets a thread.
        period: seconds between samples.
        deadline: seconds after which readings are too old to show.
        monotonic: seconds.
    """

    def __init__(
        self,
        sources: Iterable[Source],
        *,
        period: float = PERIOD_SECONDS,
        deadline: float = DEADLINE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sampled = [_Sampled(source) for source in sources]
        self._period = period
        self._deadline = deadline
        self._monotonic = monotonic
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin to sample."""
        for sampled in self._sampled:
            sampled.finished = self._monotonic()
            name = f"inferometer-{sampled.source.name}"
            threading.Thread(target=self._run, args=(sampled,), name=name, daemon=True).start()

    def close(self) -> None:
        """Sample no more; a call that hangs is left behind."""
        self._stop.set()

    def readings(self) -> list[Reading]:
        """The newest readings of all sources that answer."""
        oldest = self._monotonic() - self._deadline
        return [reading for sampled in self._sampled if sampled.finished >= oldest for reading in sampled.readings]

    def errors(self) -> Sequence[tuple[str, int]]:
        """(source, readings that failed since the start); one that hangs counts as one."""
        late = self._monotonic() - self._deadline
        return [(sampled.source.name, sampled.errors + int(sampled.finished < late)) for sampled in self._sampled]

    def _run(self, sampled: _Sampled) -> None:
        while not self._stop.is_set():
            try:
                sampled.readings = tuple(sampled.source.read())
                sampled.finished = self._monotonic()
                sampled.complaint = ""
            except Exception as error:  # noqa: BLE001 - drivers raise what they like; it is counted and shown
                sampled.errors += 1
                if str(error) != sampled.complaint:
                    sampled.complaint = str(error)
                    _log.warning("no readings of %s: %s", sampled.source.name, error)
            self._stop.wait(self._period)
