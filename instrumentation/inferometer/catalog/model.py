"""What a catalogue entry is: series, labels and the naming rules they keep."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from inferometer.errors import CatalogError

_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Unit(StrEnum):
    """Base units only; the word is the suffix of the series' name, before ``_total``."""

    SECONDS = "seconds"
    BYTES = "bytes"
    JOULES = "joules"
    WATTS = "watts"
    CELSIUS = "celsius"
    HERTZ = "hertz"
    USD = "usd"
    USD_PER_HOUR = "usd_per_hour"
    RATIO = "ratio"
    COUNT = ""
    """A plain number of things; the plural noun is in the name itself."""


# Stored integers per base unit: nanoseconds, picodollars, microjoules (docs/architecture.md, "Integers").
SCALES = {Unit.SECONDS: 10**9, Unit.USD: 10**12, Unit.JOULES: 10**6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A label's name and how many values it may take.

    ``values`` is the closed set where there is one; otherwise ``max_values`` bounds it and the rest is counted
    as ``other``.
    """

    name: str
    help: str
    values: tuple[str, ...] = ()
    max_values: int = 0

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise CatalogError(f"label {self.name!r} is not snake_case")
        if not self.values and self.max_values < 1:
            raise CatalogError(f"label {self.name} needs its values or max_values: every label is bounded")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One metric family: its Prometheus name, unit, help and labels."""

    name: str
    unit: Unit
    help: str
    labels: tuple[Label, ...] = ()
    kind: ClassVar[str]
    suffix: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise CatalogError(f"series {self.name!r} is not snake_case")
        end = f"_{self.unit.value}{self.suffix}" if self.unit else self.suffix
        if not self.name.endswith(end):
            raise CatalogError(f"{self.kind} {self.name} must end in {end!r}: the unit is part of the name")
        names = [label.name for label in self.labels]
        if len(set(names)) != len(names):
            raise CatalogError(f"series {self.name} names a label twice: {', '.join(names)}")

    def __hash__(self) -> int:
        # Names are distinct. Of all fields and labels it takes 40 times as long, for each gauge of each pass.
        return hash(self.name)

    @property
    def scale(self) -> int:
        """Stored integer units per base unit of the series."""
        return SCALES.get(self.unit, 1)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels' names, in the order of every label tuple of this series."""
        return tuple(label.name for label in self.labels)


class Counter(Series):
    """A count that only rises; shown with the suffix ``_total``."""

    __slots__ = ()
    kind = "counter"
    suffix = "_total"


class Gauge(Series):
    """A value that rises and falls. Unknown is absent, never 0, -1 or NaN."""

    __slots__ = ()
    kind = "gauge"


class Histogram(Series):
    """A distribution: a log-bucket sketch and classic buckets that hold the SLO thresholds exactly."""

    __slots__ = ()
    kind = "histogram"


class Info(Series):
    """Facts as labels on a gauge that is always 1."""

    __slots__ = ()
    kind = "gauge"
    suffix = "_info"
