"""Counts that other threads make, on their way into a pass: what is shown is durable first."""

import threading
from collections import Counter
from collections.abc import Mapping

from inferometer.aggregate import Aggregator
from inferometer.catalog.model import Counter as CounterEntry


class Tally:
    """Adds from any thread, moves into an aggregator in the pipeline's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[CounterEntry, tuple[str, ...]]] = Counter()

    def add(self, entry: CounterEntry, labels: tuple[str, ...], number: int = 1) -> None:
        """Count *number* more."""
        if number:
            with self._lock:
                self._counts[entry, labels] += number

    def settle(self, aggregator: Aggregator) -> bool:
        """Move what was counted; True if there was anything."""
        with self._lock:
            counts: Mapping[tuple[CounterEntry, tuple[str, ...]], int] = self._counts
            self._counts = Counter()
        for (entry, labels), number in counts.items():
            aggregator.add(entry, labels, number)
        return bool(counts)
