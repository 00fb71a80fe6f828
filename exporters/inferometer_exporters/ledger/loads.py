"""Times in which models were loaded, by device."""

import numpy as np

from inferometer_exporters.ledger.sweep import covered
from inferometer_exporters.ledger.weights import Active


class Loads:
    """Loads that the ledger is not past."""

    def __init__(self) -> None:
        self._loads: list[tuple[int, int, int]] = []

    def add(self, device: int, begin: int, end: int) -> None:
        """A model was loaded on a device, between two moments of CLOCK_MONOTONIC in ns."""
        self._loads.append((device, begin, end))

    def of(self, index: int) -> bool:
        """Whether there is any of a device."""
        return any(load[0] == index for load in self._loads)

    def covered(self, index: int, work: Active, since: int, until: int) -> int:
        """Ns of a window in which a device worked or loaded a model."""
        loads = [(max(low, since), min(high, until)) for device, low, high in self._loads if device == index]
        loads = [(low, high) for low, high in loads if low < high]
        lows = np.array([low for low, _ in loads], np.int64)
        highs = np.array([high for _, high in loads], np.int64)
        return covered(np.concatenate([work.begin, lows]), np.concatenate([work.end, highs]))

    def settled(self, until: int) -> None:
        """Forget what was swept."""
        self._loads = [load for load in self._loads if load[2] > until]
