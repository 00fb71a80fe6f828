"""What a mapping can say of an engine's page, and how well it tells a signal."""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final


class Quality(StrEnum):
    """How well an engine tells a signal; the best first."""

    EXACT = "exact"
    APPROXIMATE = "approximate"
    LOWER_BOUND = "lower_bound"
    MEAN_ONLY = "mean_only"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundaries:
    """What is known of one signal of an engine."""

    quality: Quality
    reason: str = ""
    """Why it is not exact, or absent."""
    le: tuple[float, ...] = ()
    """Default upper bounds of its buckets, in base units, ascending, without infinity; empty where it has none."""
    flag: str = ""
    """Option of the engine that switches it on, or makes it better."""
    outcomes: tuple[str, ...] = ()
    """Of requests: outcomes that are told apart."""
    by_model: bool = True
    """Whether its series say which model they are of; else they are of all models of a page together."""


class PageUnit(StrEnum):
    """What a page's number is in, other than a base unit."""

    BASE = "base"
    MILLISECONDS = "milliseconds"
    MICROSECONDS = "microseconds"
    NANOSECONDS = "nanoseconds"
    PERCENT = "percent"
    PER_MILLE = "per_mille"
    MEBIBYTES = "mebibytes"
    GIGABYTES = "gigabytes"

    @property
    def factor(self) -> Fraction:
        """Base units per unit."""
        return _FACTORS[self]


_FACTORS: Final = {
    PageUnit.BASE: Fraction(1),
    PageUnit.MILLISECONDS: Fraction(1, 10**3),
    PageUnit.MICROSECONDS: Fraction(1, 10**6),
    PageUnit.NANOSECONDS: Fraction(1, 10**9),
    PageUnit.PERCENT: Fraction(1, 100),
    PageUnit.PER_MILLE: Fraction(1, 1000),
    PageUnit.MEBIBYTES: Fraction(1 << 20),
    PageUnit.GIGABYTES: Fraction(10**9),
}


class PageType(StrEnum):
    """What a page declares a family as."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"
    UNTYPED = "untyped"


class Part(StrEnum):
    """Which number of a histogram or a summary stands for the signal."""

    ITSELF = "itself"
    SUM = "sum"
    COUNT = "count"


class Combine(StrEnum):
    """How several series of a page that are one series here become one number."""

    SUM = "sum"
    MAX = "max"
    MEAN = "mean"
