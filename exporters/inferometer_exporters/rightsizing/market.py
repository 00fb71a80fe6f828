"""What is known of other hardware, and when a saving is worth a change."""

from dataclasses import dataclass
from typing import Final

WORTH: Final = 0.05
"""Part of a device's price from which a saving is worth a change."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A GPU that can be had, at a list price."""

    hardware: str
    usd_per_hour: float
    source: str


@dataclass(frozen=True, slots=True)
class Market:
    """What is known of other hardware: list prices, on demand."""

    offers: tuple[Offer, ...] = ()
