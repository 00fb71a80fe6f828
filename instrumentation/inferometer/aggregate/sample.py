"""What a page shows: immutable, made by the Intake's thread, rendered by others."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from inferometer.aggregate.layout import Layout
from inferometer.catalog.model import Series


class Birth:
    """A new series shows 0 until one scrape has fetched that 0: a counter born at 3 has no ``increase()``."""

    __slots__ = ("fetched", "since_ns")

    def __init__(self, since_ns: int) -> None:
        self.since_ns = since_ns
        """CLOCK_MONOTONIC ns at which the series appeared."""
        self.fetched = False
        """Set by the thread that served the page; the Intake's thread acts on it at its next pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemplar:
    """One request behind a histogram's bucket."""

    trace_id: int
    """128 bits; its trace was accepted by the trace store."""
    value: int
    """In stored units."""
    wall_ns: int
    """Wall time of the observation, ns since the epoch."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A counter or a gauge; the value in stored units."""

    labels: tuple[str, ...]
    value: int | float
    birth: Birth | None


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram; values in stored units."""

    labels: tuple[str, ...]
    count: int
    total: int
    zero: int
    sketch: Mapping[int, int]
    """Index into ``Layout.bounds`` -> values."""
    classic: tuple[int, ...]
    """Values by classic bucket, not cumulative; the last is +Inf."""
    exemplars: tuple[tuple[int, Exemplar], ...]
    """(classic index, exemplar)"""
    birth: Birth | None


Sample = Scalar | Distribution


@dataclass(frozen=True, slots=True)
class Family:
    """All series of one catalogue entry."""

    entry: Series
    layout: Layout | None
    """Of a histogram; None otherwise."""
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All series at one commit point."""

    families: tuple[Family, ...] = ()
    number: int = field(default=0)
    """Counts up; tells whether a page is of the same snapshot."""
