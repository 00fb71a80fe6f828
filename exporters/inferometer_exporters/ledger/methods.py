"""How a run's share of a device's time was found, and what of it nobody knows: one byte of bits per run."""

from enum import IntEnum
from typing import Final

import numpy as np

from inferometer.catalog.labels import METHOD
from inferometer.errors import StateError
from inferometer_exporters.columns.tables import Column, Ints


class Method(IntEnum):
    """How a share was found; the number is its code in the recorder, and its bit in a row."""

    SWEEP = 0
    """Shared with what ran at the same time, by weight."""
    STEPS = 1
    """By what each step of an engine's batch computed."""
    EXCLUSIVE = 2
    """Nothing to share: a run of one request, alone on the device."""
    BUSY = 3
    """An engine's own count of the time in which it computed; as all that follow of a model, not of a request."""
    COMPUTE = 4
    """An engine's count of the time that its models computed for requests, by what ran as one batch."""
    TOKENS = 5
    """By an engine's tokens, of the time that the device was busy."""
    DURATION = 6
    """By the time that an engine's requests took."""

    @property
    def label(self) -> str:
        """The value of the label ``method``."""
        return self.name.lower()


if tuple(method.label for method in Method) != METHOD.values:
    raise StateError(f"the ledger's methods are {[m.label for m in Method]}, the catalogue has {METHOD.values}")

UNPRICED: Final = 8
"""Bit: part of its time passed on a device without a price."""
UNMETERED: Final = 16
"""Bit: of part of its time nobody knows the energy."""


def codes(found: Column) -> Ints:
    """The method of each row: the least exact one that had a part in it; the sweep where no time was charged."""
    alone = (found & (1 << Method.EXCLUSIVE)) != 0
    stepped = (found & (1 << Method.STEPS)) != 0
    swept = (found & (1 << Method.SWEEP)) != 0
    exact = np.where(alone & ~stepped, int(Method.EXCLUSIVE), int(Method.SWEEP))
    return np.where(stepped & ~swept, int(Method.STEPS), np.where(swept, int(Method.SWEEP), exact)).astype(np.int64)
