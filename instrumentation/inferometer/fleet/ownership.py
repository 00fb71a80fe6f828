"""What an hour of one's own hardware costs: its price spread over its life, the power it draws, and the rest."""

from fractions import Fraction
from typing import Final

from inferometer.fleet.model import Owned

HOURS_PER_YEAR: Final = 8760
"""365 days: as `1y` is read everywhere in fleet.yaml."""
_WATTS_PER_KILOWATT: Final = 1000
_PERCENT: Final = 100


def usd_per_hour(owned: Owned) -> Fraction:
    """US dollars per hour of one device, exactly.

    ``purchase x (1 - salvage) / hours of life + kilowatts x PUE x price of a kilowatt hour + the rest``: total cost of
    ownership by straight-line depreciation. A device costs this in every hour of its life, used or not.
    """
    lost = Fraction(owned.purchase_usd) * (1 - Fraction(owned.salvage_percent) / _PERCENT)
    spread = lost / (Fraction(owned.years) * HOURS_PER_YEAR)
    power = Fraction(owned.watts) / _WATTS_PER_KILOWATT * Fraction(owned.pue) * Fraction(owned.usd_per_kwh)
    return spread + power + Fraction(owned.usd_per_hour_other)
