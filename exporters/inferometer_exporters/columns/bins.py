"""Buckets of many values at once: the same as `inferometer.aggregate.layout` finds one by one.

A double's exponent and first bits are a number that rises with the logarithm of a value. A table says for each such
cell in which bucket its lowest value lies; cells are narrower than buckets, so that one comparison says the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from inferometer.aggregate.aggregator import Aggregator
from inferometer.aggregate.cells import HistogramCell
from inferometer.aggregate.layout import Layout
from inferometer.catalog.model import Series
from inferometer_exporters.columns.tables import Ints, Mask

_BITS: Final = 6
"""64 cells per doubling, four in a bucket of the sketch."""
_MANTISSA: Final = 52
_SHIFT: Final = _MANTISSA - _BITS
_OF_ONE: Final = 1023 << _BITS
_EXACT: Final = 1 << 53
"""Integers below this are doubles without loss."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Of one layout: what is known of a value by its cell."""

    bounds: Ints
    """Of the sketch."""
    classic: Ints
    """With one more at the end, which no value passes."""
    sketch: Ints
    """Bucket of each cell's lowest value."""
    edges: Ints
    """The same in the classic histogram."""
    dense: Mask
    """Cells in which more than one classic boundary lies."""

    @classmethod
    @cache
    def of(cls, layout: Layout) -> "Cells":
        """The cells of a layout; made once."""
        cell = np.arange((_EXACT.bit_length() - 1) << _BITS)
        lowest = -(-((1 << _BITS) + cell % (1 << _BITS) << (cell >> _BITS)) >> _BITS)
        bounds = np.array(layout.bounds, np.int64)
        classic = np.array([*layout.classic, np.iinfo(np.int64).max], np.int64)
        edges = np.searchsorted(classic, lowest)
        return cls(
            bounds=bounds,
            classic=classic,
            sketch=np.minimum(np.searchsorted(bounds, lowest), len(bounds) - 1),
            edges=edges,
            dense=np.diff(edges, append=edges[-1:]) > 1,
        )

    def find(self, values: Ints) -> tuple[Ints, Ints]:
        """Bucket of the sketch and of the classic histogram of each value; those below 1 are taken for 1."""
        last = len(self.bounds) - 1
        if len(values) and int(values.max()) >= _EXACT:
            sketch = np.searchsorted(self.bounds, np.maximum(values, 1))
            return np.minimum(sketch, last), np.searchsorted(self.classic, values)
        values = np.maximum(values, 1)
        cell = (values.astype(np.float64).view(np.int64) >> _SHIFT) - _OF_ONE
        sketch = self.sketch[cell]
        sketch += values > self.bounds[sketch]
        classic = self.edges[cell]
        classic += values > self.classic[classic]
        crowded = np.flatnonzero(self.dense[cell])
        classic[crowded] = np.searchsorted(self.classic, values[crowded])
        return np.minimum(sketch, last), classic


class Bins:
    """Buckets of one histogram family, as arrays."""

    def __init__(self, aggregator: Aggregator, entry: Series) -> None:
        self._cells = Cells.of(aggregator.layout(entry))

    def observe(self, cell: Callable[[int], HistogramCell], group: Ints, values: Ints) -> None:
        """Count *values*, each in the histogram of its group; groups come one after the other."""
        edges = np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1]))).tolist() if len(group) else []
        sketch, classic = self._cells.find(values)
        for low, high in zip(edges, [*edges[1:], len(group)], strict=True):
            part = values[low:high]
            positive = sketch[low:high][part > 0]
            cell(int(group[low])).observe_binned(
                sketch=_counted(positive),
                classic=_counted(classic[low:high]),
                total=int(part.sum()),
                zero=high - low - len(positive),
            )


def _counted(indices: Ints) -> dict[int, int]:
    numbers = np.bincount(indices)
    found = np.flatnonzero(numbers)
    return dict(zip(found.tolist(), numbers[found].tolist(), strict=True))
