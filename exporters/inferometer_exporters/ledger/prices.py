"""Time to money in whole picodollars: what division leaves over is carried, so that parts sum to the whole."""

from dataclasses import dataclass
from math import gcd
from typing import Final

import numpy as np

from inferometer.fleet.thresholds import Price
from inferometer_exporters.columns.tables import Ints

_NS_PER_HOUR: Final = 3_600 * 10**9


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

    def charge(self, ns: int, carried: int) -> tuple[int, int]:
        """Picodollars of *ns* and the remainder to carry, given the one *carried* so far (in picodollars by ns)."""
        return divmod(ns * self.picodollars + carried, self.ns)

    def charges(self, ns: Ints, carried: int) -> tuple[Ints, int]:
        """Picodollars of each of *ns*, in order, and the remainder to carry; they sum to the charge of the sum."""
        whole = int(ns.sum()) * self.picodollars + carried
        # Python's integers where 63 bits are not enough: an odd price, or very long shares.
        kind = np.int64 if whole < 1 << 62 else object
        total = (np.cumsum(ns.astype(kind)) * self.picodollars + carried) // self.ns
        return np.diff(total, prepend=0).astype(np.int64), whole % self.ns
