"""What an hour of one's own hardware costs: its price spread over its life, the power it draws, and the rest."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Final

from inferometer.fleet import amounts
from inferometer.fleet.schema import Key

HOURS_PER_YEAR: Final = 8760
"""365 days: as `1y` is read everywhere in fleet.yaml."""
_WATTS_PER_KILOWATT: Final = 1000
_PERCENT: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """Hardware that was bought: its price spread over its life, and what runs it."""

    purchase_usd: Annotated[
        Decimal, Key(amounts.USD, "What one device cost, with its share of the server, network and installation.")
    ]
    years: Annotated[Decimal, Key(amounts.YEARS, "Years of 8760 hours over which that is spread.")]
    salvage_percent: Annotated[Decimal, Key(amounts.SHARE, "Part of it that the device is worth in the end.")] = (
        Decimal(0)
    )
    watts: Annotated[Decimal, Key(amounts.WATTS, "Mean power of one device, with its share of the server.")]
    pue: Annotated[Decimal, Key(amounts.PUE, "Power of the whole site per power of its computers.")] = Decimal(1)
    usd_per_kwh: Annotated[Decimal, Key(amounts.USD, "Price of electricity.")]
    usd_per_hour_other: Annotated[Decimal, Key(amounts.USD, "Space, people, support: per device.")] = Decimal(0)


def usd_per_hour(owned: Owned) -> Fraction:
    """US dollars per hour of one device, exactly.

    ``purchase x (1 - salvage) / hours of life + kilowatts x PUE x price of a kilowatt hour + the rest``: total cost of
    ownership by straight-line depreciation. A device costs this in every hour of its life, used or not.
    """
    lost = Fraction(owned.purchase_usd) * (1 - Fraction(owned.salvage_percent) / _PERCENT)
    spread = lost / (Fraction(owned.years) * HOURS_PER_YEAR)
    power = Fraction(owned.watts) / _WATTS_PER_KILOWATT * Fraction(owned.pue) * Fraction(owned.usd_per_kwh)
    return spread + power + Fraction(owned.usd_per_hour_other)
