"""The series of one family, and which label values find room in it."""

from typing import Final, Generic, TypeVar

from inferometer.aggregate.cells import CounterCell, GaugeCell, HistogramCell, LabelValues
from inferometer.aggregate.layout import Layout
from inferometer.aggregate.sample import Family
from inferometer.catalog.model import Series
from inferometer.errors import CatalogError

OTHER: Final = "other"
"""Value of a label whose values found no room."""

Cell = TypeVar("Cell", CounterCell, GaugeCell, HistogramCell)


class Members(Generic[Cell]):
    """The series of one family.

    Args:
        entry: of the catalogue.
        limit: number of series.
        layout: buckets of a histogram.
    """

    __slots__ = ("cells", "changed", "entry", "layout", "limit", "seen", "shown")

    def __init__(self, entry: Series, limit: int, layout: Layout | None) -> None:
        self.entry = entry
        self.limit = limit
        self.layout = layout
        self.cells: dict[LabelValues, Cell] = {}
        self.changed = True
        """A series came or went since the last snapshot."""
        self.shown: Family | None = None
        self.seen = [set[str]() if not label.values else None for label in entry.labels]

    def admit(self, labels: LabelValues) -> LabelValues:
        """The label values under which a new series is kept: those given, or `other` where there is no room."""
        if len(labels) != len(self.seen):
            raise CatalogError(f"{self.entry.name} has the labels {self.entry.label_names}, not {labels!r}")
        kept = tuple(
            value if seen is None or value in seen or len(seen) < label.max_values else OTHER
            for label, seen, value in zip(self.entry.labels, self.seen, labels, strict=True)
        )
        if kept not in self.cells and len(self.cells) >= self.limit:
            # Closed sets keep their values: sums over outcomes or stages stay right.
            kept = tuple(value if seen is None else OTHER for seen, value in zip(self.seen, labels, strict=True))
        return kept

    def insert(self, labels: LabelValues, cell: Cell) -> Cell:
        """Take in a new series."""
        self.cells[labels] = cell
        self.changed = True
        for seen, value in zip(self.seen, labels, strict=True):
            if seen is not None and value != OTHER:
                seen.add(value)
        return cell

    def remove(self, labels: LabelValues) -> None:
        """Leave a series out, where it exists."""
        if self.cells.pop(labels, None) is None:
            return
        self.changed = True
        # Values that no series has any more make room: process ids come and go for ever.
        for position, seen in enumerate(self.seen):
            if seen is not None and not any(other[position] == labels[position] for other in self.cells):
                seen.discard(labels[position])
