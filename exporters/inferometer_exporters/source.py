"""Sources of readings, each sampled in a thread of its own: a driver call that hangs costs its readings alone."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from inferometer.catalog.labels import READING_SOURCE
from inferometer.catalog.model import Series

_log = logging.getLogger(__name__)

PERIOD_SECONDS: Final = 1.0
DEADLINE_SECONDS: Final = 5.0
"""Readings older than this are absent: what nobody reads now is unknown now. A call that takes longer has failed."""
LONGEST_PAUSE_SECONDS: Final = 10.0
"""A source that fails is asked less and less often, but this often at least: it is back soon after it recovers."""
_CLOSE_SECONDS: Final = 1.0
_SECOND: Final = 10**9

SeriesKey = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Reading:
    """A value of a series, as it is now."""

    entry: Series
    labels: tuple[str, ...]
    """In the order of ``entry.label_names``."""
    value: int | float
    """In the entry's stored unit; of a counter the total so far."""
    own: bool = False
    """Of a counter: the source counts itself, from 0 at its start, so that its first total is news, too."""

    @property
    def key(self) -> SeriesKey:
        """What it is a reading of; an info that names its source is of its first label, whoever says it."""
        return self.entry.name, self.labels[:1] if READING_SOURCE in self.entry.labels else self.labels


class Source(Protocol):
    """Where readings come from."""

    @property
    def name(self) -> str:
        """Value of the label ``source`` on its errors."""
        ...

    def read(self) -> Iterable[Reading]:
        """All readings now; what is unknown is left out. May block, may raise: neither harms the sidecar."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """A source with times of its own."""

    source: Source
    period: float = PERIOD_SECONDS
    """Seconds from one reading to the next."""
    deadline: float = DEADLINE_SECONDS
    """Seconds after which a call has failed and readings are too old to show; longer than the period."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one source read last."""

    number: int
    """Of the source, in the order in which they were given."""
    source: str
    readings: tuple[Reading, ...]
    read_ns: int
    """When it was read, by the sampler's clock."""


class Sampler:
    """Samples sources; nothing is read before `start`.

    Args:
        sources: each gets a thread. Where several read the same series, the one that is given first is believed.
        period: seconds between samples, of sources without times of their own.
        deadline: as of `Scheduled`, of sources without times of their own.
        monotonic: seconds.
    """

    def __init__(
        self,
        sources: Iterable[Source | Scheduled],
        *,
        period: float = PERIOD_SECONDS,
        deadline: float = DEADLINE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._stop = threading.Event()
        scheduled = (
            source if isinstance(source, Scheduled) else Scheduled(source=source, period=period, deadline=deadline)
            for source in sources
        )
        self._sampled = [_Sampled(one, monotonic, self._stop) for one in scheduled]
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to sample."""
        for sampled in self._sampled:
            thread = threading.Thread(target=sampled.run, name=f"inferometer-{sampled.name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Sample no more; a call that hangs is left behind."""
        self._stop.set()
        until = time.monotonic() + _CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0.0))

    def samples(self) -> list[Sample]:
        """What each source that answers read last."""
        now = self._monotonic()
        return [
            Sample(number, sampled.name, readings, int(finished * _SECOND))
            for number, sampled in enumerate(self._sampled)
            for readings, finished in [sampled.readings(now)]
            if readings
        ]

    def readings(self) -> list[Reading]:
        """The newest reading of each series, by the first source that has it."""
        return list(believed(self.samples()))

    def errors(self) -> Sequence[tuple[str, int]]:
        """(source, readings that failed since the start); a call that hangs has failed once, when its deadline ends."""
        now = self._monotonic()
        totals: dict[str, int] = {}
        for sampled in self._sampled:
            totals[sampled.name] = totals.get(sampled.name, 0) + sampled.errors(now)
        return list(totals.items())


def believed(samples: Iterable[Sample]) -> Iterator[Reading]:
    """Readings without those of series that an earlier sample, or the same, has already."""
    seen: set[SeriesKey] = set()
    for sample in samples:
        for reading in sample.readings:
            key = reading.key
            if key not in seen:
                seen.add(key)
                yield reading


class _Sampled:
    """One source: its thread calls `run`, any other asks; no lock is held while the source is read."""

    def __init__(self, scheduled: Scheduled, monotonic: Callable[[], float], stop: threading.Event) -> None:
        self.name = scheduled.source.name
        self._scheduled = scheduled
        self._monotonic = monotonic
        self._stop = stop
        self._lock = threading.Lock()
        self._readings: tuple[Reading, ...] = ()
        self._finished = monotonic()
        self._began: float | None = None
        """When the call that is under way began."""
        self._late = False
        """The call that is under way is counted as failed."""
        self._errors = 0
        self._in_a_row = 0
        self._complaint = ""

    def run(self) -> None:
        while not self._stop.is_set():
            began = self._monotonic()
            with self._lock:
                self._began, self._late = began, False
            try:
                readings = tuple(self._scheduled.source.read())
            except Exception as error:  # noqa: BLE001 - drivers raise what they like; it is counted and shown
                self._end(None, str(error) or type(error).__name__)
            else:
                self._end(readings, "")
            self._stop.wait(self._pause(self._monotonic() - began))

    def readings(self, now: float) -> tuple[tuple[Reading, ...], float]:
        """What was read last, if it is not too old, and when."""
        with self._lock:
            news, finished = self._look(now), self._finished
            readings = self._readings if now - finished <= self._scheduled.deadline else ()
        self._tell(news)
        return readings, finished

    def errors(self, now: float) -> int:
        with self._lock:
            news, errors = self._look(now), self._errors
        self._tell(news)
        return errors

    def _end(self, readings: tuple[Reading, ...] | None, complaint: str) -> None:
        """A call has ended; what comes after its deadline is of nobody knows when, and not taken."""
        now = self._monotonic()
        with self._lock:
            news = self._look(now)
            self._began = None
            if not self._late:
                news = self._fail(complaint) if readings is None else self._take(readings, now)
        self._tell(news)

    def _look(self, now: float) -> str:
        """Count the call that is under way as failed, once, where its deadline has ended."""
        if self._began is None or self._late or now - self._began <= self._scheduled.deadline:
            return ""
        self._late = True
        return self._fail(f"no answer within {self._scheduled.deadline:g} s")

    def _take(self, readings: tuple[Reading, ...], now: float) -> str:
        once: dict[SeriesKey, Reading] = {}
        for reading in readings:
            once.setdefault(reading.key, reading)
        self._readings, self._finished = tuple(once.values()), now
        self._in_a_row = 0
        news = f"{self.name} is read again" if self._complaint else ""
        self._complaint = ""
        return news

    def _fail(self, complaint: str) -> str:
        self._errors += 1
        self._in_a_row += 1
        news = f"no readings of {self.name}: {complaint}" if complaint != self._complaint else ""
        self._complaint = complaint
        return news

    @staticmethod
    def _tell(news: str) -> None:
        # Outside the lock: whoever reads the log may be slow.
        if news:
            _log.warning("%s", news)

    def _pause(self, took: float) -> float:
        """Seconds until the next call: the period from begin to begin, doubled with each failure in a row."""
        period = self._scheduled.period
        if not self._in_a_row:
            return max(period - took, 0.0)
        # 2 ** 20 periods are longer than the longest pause, whatever the period.
        return max(min(period * (1 << min(self._in_a_row, 20)), LONGEST_PAUSE_SECONDS), period)
