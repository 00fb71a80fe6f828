"""What a page shows: immutable, made by the Intake's thread, rendered by others."""

from collections.abc import Iterable, Mapping
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


@dataclass(frozen=True, slots=True)
class Plain:
    """A counter or a gauge that somebody else keeps, in base units."""

    labels: tuple[str, ...]
    value: float
    birth: Birth | None = None


@dataclass(frozen=True, slots=True)
class Buckets:
    """A histogram that somebody else keeps, with boundaries of its own, in base units; it has no native form."""

    labels: tuple[str, ...]
    bounds: tuple[float, ...]
    """Upper bounds, rising, without infinity; empty where only a mean is known."""
    cumulative: tuple[float, ...]
    """How many values are up to each of them."""
    count: float
    total: float | None
    """Sum of all values; None where nobody knows it."""
    birth: Birth | None = None


Sample = Scalar | Distribution | Plain | Buckets


@dataclass(frozen=True, slots=True)
class Family:
    """All series of one catalogue entry."""

    entry: Series
    layout: Layout | None
    """Of a histogram; None otherwise."""
    samples: tuple[Sample, ...]


def joined(snapshot: "Snapshot", further: Iterable[Family]) -> "Snapshot":
    """A snapshot with further families: those of one name stand side by side, as the text formats want them."""
    named: dict[str, list[Family]] = {}
    for family in (*snapshot.families, *further):
        named.setdefault(family.entry.name, []).append(family)
    return Snapshot(tuple(family for families in named.values() for family in families), snapshot.number)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All series at one commit point."""

    families: tuple[Family, ...] = ()
    number: int = field(default=0)
    """Counts up; tells whether a page is of the same snapshot."""
