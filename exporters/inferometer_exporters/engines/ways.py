"""What a plan is made of: numbers and histograms by the places that they are the sum of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isinf
from typing import NamedTuple

from inferometer.catalog.engines import of_engine
from inferometer.catalog.model import Series, Unit
from inferometer.fleet.engines import model
from inferometer.fleet.engines.model import Source, Told
from inferometer.fleet.engines.vocabulary import Combine, PageUnit, Quality


class Term(NamedTuple):
    """A place and what its number is multiplied with."""

    place: int
    unit: PageUnit = PageUnit.BASE


@dataclass(slots=True)
class Number:
    """A counter or a gauge."""

    labels: tuple[str, ...]
    terms: list[Term] = field(default_factory=list)
    over: list[Term] = field(default_factory=list)
    """What it is divided by; empty: nothing."""


@dataclass(slots=True)
class Shape:
    """A histogram; without buckets only a mean is known."""

    labels: tuple[str, ...]
    buckets: dict[float, list[Term]] = field(default_factory=dict)
    """Places of cumulative counts by upper bound in base units."""
    series: int = 0
    """Series of the page that it is the sum of."""
    sums: list[Term] = field(default_factory=list)
    counts: list[Term] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Way:
    """One source of an entry, as this page has it."""

    of: model.Mapping
    told: Told
    source: Source
    quality: Quality
    reason: str
    sums: Quality
    """How good sums of its histograms are."""
    places: tuple[int, ...]
    """The source is on a page that has one of these."""
    numbers: tuple[Number, ...]
    shapes: tuple[Shape, ...]

    @property
    def entry(self) -> Series:
        """The signal's series, as engines show it."""
        entry: Series = of_engine(self.told.signal.entry)
        return entry

    @property
    def combine(self) -> Combine:
        """How several series become one."""
        if self.source.combine is not None:
            return self.source.combine
        return Combine.MEAN if self.entry.unit is Unit.RATIO and not self.source.over else Combine.SUM


@dataclass(frozen=True, slots=True)
class Plan:
    """Ways of all entries, those of one entry in their order of preference."""

    entries: tuple[tuple[Way, ...], ...]
    cumulative: frozenset[int]
    """Places whose numbers only rise, unless the engine begins anew."""
    groups: Mapping[int, str]
    """Of those, the replica: what begins anew together."""
    unknown: tuple[str, ...]
    """Series whose labels have values that the mapping does not know."""


def scaled(value: float, unit: PageUnit) -> float:
    """A number of a page in base units; as Prometheus calculates it."""
    if unit is PageUnit.BASE or isinf(value):
        return value
    factor = unit.factor
    return value * factor.numerator / factor.denominator
