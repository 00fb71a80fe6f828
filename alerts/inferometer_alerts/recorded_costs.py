"""What rules record of money: what devices and models cost, and how fast budgets are spent."""

from typing import Final

from inferometer.catalog.labels import DEVICE, TENANT
from inferometer.catalog.model import Unit
from inferometer_alerts.rule_labels import OF_BUDGET, OF_MODEL
from inferometer_alerts.rule_series import Recorded

COST_MODEL: Final = Recorded(
    name="model:cost_usd:increase1h", unit=Unit.USD, help="Marginal cost in an hour.", labels=(*OF_MODEL, TENANT)
)
REQUESTS_MODEL: Final = Recorded(
    name="model:requests:increase1h",
    unit=Unit.COUNT,
    help="Requests that ended in an hour, each hop counted.",
    labels=(*OF_MODEL, TENANT),
)
REQUESTS_ENTRY: Final = Recorded(
    name="tenant:entry_requests:increase1h",
    unit=Unit.COUNT,
    help="Requests from outside the fleet in an hour.",
    labels=(TENANT,),
)
BILL: Final = Recorded(
    name="device:bill_usd:increase1h", unit=Unit.USD, help="What the device cost in an hour.", labels=(DEVICE,)
)
IDLE: Final = Recorded(
    name="device:idle_usd:increase1h",
    unit=Unit.USD,
    help="Part of the bill that no request and no system work used.",
    labels=(DEVICE,),
)
IDLE_SHARE: Final = Recorded(
    name="device:idle:ratio1h", unit=Unit.RATIO, help="Share of the device's bill that is idle.", labels=(DEVICE,)
)
FLEET_IDLE_SHARE: Final = Recorded(
    name="fleet:idle:ratio1h", unit=Unit.RATIO, help="Share of the fleet's bill that is idle."
)
LOAD_FACTOR: Final = Recorded(
    name="fleet:bill_per_cost:ratio1h",
    unit=Unit.RATIO,
    help="The whole bill as a multiple of what requests used of it: what makes marginal cost fully loaded.",
)
FLEET_PER_1K: Final = Recorded(
    name="fleet:cost_per_1k_usd:marginal1h", unit=Unit.USD, help="Marginal cost of 1,000 entry requests."
)
FLEET_PER_1K_LOADED: Final = Recorded(
    name="fleet:cost_per_1k_usd:loaded1h", unit=Unit.USD, help="The whole bill per 1,000 entry requests."
)
TENANT_PER_1K: Final = Recorded(
    name="tenant:cost_per_1k_usd:marginal1h",
    unit=Unit.USD,
    help="Marginal cost of 1,000 entry requests of a tenant.",
    labels=(TENANT,),
)
TENANT_PER_1K_LOADED: Final = Recorded(
    name="tenant:cost_per_1k_usd:loaded1h",
    unit=Unit.USD,
    help="Cost of 1,000 entry requests of a tenant with its share of the whole bill.",
    labels=(TENANT,),
)
MODEL_PER_1K: Final = Recorded(
    name="model:cost_per_1k_usd:marginal1h",
    unit=Unit.USD,
    help="Marginal cost of 1,000 requests to a model.",
    labels=OF_MODEL,
)
MODEL_PER_1K_LOADED: Final = Recorded(
    name="model:cost_per_1k_usd:loaded1h",
    unit=Unit.USD,
    help="Cost of 1,000 requests to a model with its share of the whole bill.",
    labels=OF_MODEL,
)
MODEL_TENANT_PER_1K_LOADED: Final = Recorded(
    name="model:cost_per_1k_usd_by_tenant:loaded1h",
    unit=Unit.USD,
    help="Cost of 1,000 requests of a tenant to a model with its share of the whole bill.",
    labels=(*OF_MODEL, TENANT),
)
BUDGET_SPENT: Final = Recorded(
    name="budget:spent_usd:increase1h",
    unit=Unit.USD,
    help="What was spent of a budget of money in an hour, idle time of the devices included.",
    labels=OF_BUDGET,
)
BUDGET_ALLOWED: Final = Recorded(
    name="budget:allowed_usd:hour",
    unit=Unit.USD,
    help="What an hour may cost so that the budget is used up exactly.",
    labels=OF_BUDGET,
)


def spending(window: str) -> Recorded:
    """How many times too fast a budget of money was spent in a window; 1 spends it exactly."""
    return Recorded(
        name=f"budget:burn_rate:ratio{window}",
        unit=Unit.RATIO,
        help=f"What was spent in {window} as a multiple of what may be.",
        labels=OF_BUDGET,
    )
