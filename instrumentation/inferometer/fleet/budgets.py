"""What may be spent: budgets of money, in US dollars an hour."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, ClassVar, Final

from inferometer.fleet import amounts, texts
from inferometer.fleet.schema import Key

HOURS_PER_DAY: Final = 24
HOURS_PER_MONTH: Final = 730
"""A twelfth of 365 days: what providers take for a month in their prices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostBudget:
    """What may be spent: by the whole fleet, or by one service, team or tenant with its share of the bill."""

    EXACTLY_ONE: ClassVar = ("usd_per_day", "usd_per_month")
    name: str
    usd_per_day: Annotated[Decimal | None, Key(amounts.BUDGET_USD, "US dollars in 24 hours.")] = None
    usd_per_month: Annotated[Decimal | None, Key(amounts.BUDGET_USD, "US dollars in 730 hours.")] = None
    service: Annotated[str | None, Key(texts.TEXT, "A service of this file.")] = None
    team: Annotated[str | None, Key(texts.SLUG, "A team of this file: all of its services.")] = None
    tenant: Annotated[str | None, Key(texts.TEXT, "A known tenant.")] = None


def usd_per_hour(budget: CostBudget) -> Decimal:
    """US dollars an hour that use up the budget exactly."""
    if budget.usd_per_day is not None:
        return budget.usd_per_day / HOURS_PER_DAY
    return (budget.usd_per_month or Decimal(0)) / HOURS_PER_MONTH
