"""Time to money in whole picodollars: what division leaves over is carried, so that parts sum to the whole."""

from dataclasses import dataclass
from math import gcd
from typing import Final

import numpy as np

from inferometer.fleet.thresholds import PICODOLLARS, Price
from inferometer_exporters.columns.tables import Ints

_NS_PER_HOUR: Final = 3_600 * 10**9
_INT64: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Rate:
    """A price as a fraction: ``picodollars / ns``, in lowest terms."""

    price: Price
    picodollars: int
    ns: int

    @classmethod
    def of(cls, price: Price) -> "Rate":
        """The rate of a price per hour."""
        common = gcd(price.picodollars_per_hour, _NS_PER_HOUR)
        return cls(price, price.picodollars_per_hour // common, _NS_PER_HOUR // common)

    def part(self, parts: int, whole: int) -> "Rate":
        """The rate of *parts* of *whole* equal parts of the device: of a MIG slice, or of what slices leave over."""
        picodollars, ns = self.picodollars * parts, self.ns * whole
        common = gcd(picodollars, ns)
        return Rate(self.price, picodollars // common, ns // common)

    @property
    def picodollars_per_hour(self) -> int:
        """Picodollars per hour, the nearest whole number of them."""
        return round(self.picodollars * _NS_PER_HOUR / self.ns)

    @property
    def usd_per_hour(self) -> float:
        """US dollars per hour."""
        return self.picodollars * _NS_PER_HOUR / self.ns / PICODOLLARS

    def charge(self, ns: int, carried: int) -> tuple[int, int]:
        """Picodollars of *ns* and the remainder to carry, given the one *carried* so far (in picodollars by ns)."""
        return divmod(ns * self.picodollars + carried, self.ns)

    def charges(self, ns: Ints, carried: int) -> tuple[Ints, int]:
        """Picodollars of each of *ns*, in order, and the remainder to carry; they sum to the charge of the sum."""
        whole = int(ns.sum()) * self.picodollars + carried
        # Python's integers where 63 bits are not enough: an odd price, or very long shares.
        kind = np.int64 if whole < _INT64 and self.ns < _INT64 else object
        total = (np.cumsum(ns.astype(kind)) * self.picodollars + carried) // self.ns
        return np.diff(total, prepend=0).astype(np.int64), whole % self.ns


def portions(total: int, weights: Ints) -> Ints:
    """*total* in parts in proportion to *weights*, of which one is more than 0; they sum to it exactly."""
    whole = int(weights.sum())
    kind = np.int64 if whole * total < _INT64 else object
    edges = np.cumsum(weights.astype(kind)) * total // whole
    return np.diff(edges, prepend=0).astype(np.int64)
