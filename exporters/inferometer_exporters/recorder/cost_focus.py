"""The ledger as a bill, in rows of the FinOps Open Cost and Usage Specification (FOCUS 1.2 and 1.3).

One row per device, hour and group, one per idle state (``CapacityReservationStatus`` Unused), one for what requests
used of another hour than the one they ended in. The rows of an hour sum to its device's bill, to the picodollar.
Columns: https://focus.finops.org/focus-columns/ (those of split cost allocation, of service and host provider since
1.3, which keeps ProviderName and PublisherName of 1.2 beside them); ours begin with ``x_``. An origin charge is a
device's hour: its ``AllocatedRatio`` sum to 1. What each column may hold: ``tests/data/focus/rules.json``.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from inferometer.catalog.labels import REGION, SERVICE
from inferometer_exporters.ledger.account import State
from inferometer_exporters.recorder.cost_answers import FocusAnswer
from inferometer_exporters.recorder.cost_query import Share
from inferometer_exporters.recorder.cost_report import Costs
from inferometer_exporters.recorder.device_bills import USED, state_costs
from inferometer_exporters.recorder.ledger_hours import DeviceHour, Priced
from inferometer_exporters.recorder.reading import SECOND

COLUMNS: Final = (
    "BillingAccountId", "BillingAccountName", "BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart",
    "ChargePeriodEnd", "InvoiceId", "InvoiceIssuerName", "ProviderName", "PublisherName", "ServiceProviderName",
    "HostProviderName", "BillingCurrency", "BilledCost", "EffectiveCost", "ListCost", "ContractedCost",
    "ContractedUnitPrice", "PricingCategory", "PricingQuantity", "PricingUnit", "ConsumedQuantity", "ConsumedUnit",
    "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency", "ServiceCategory", "ServiceSubcategory",
    "ServiceName", "RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType", "CapacityReservationId",
    "CapacityReservationStatus", "AllocatedMethodId", "AllocatedMethodDetails", "AllocatedResourceId",
    "AllocatedResourceName", "AllocatedTags",
    "x_State", "x_FullyLoadedCost", "x_PriceSource", "x_PriceAsOf",
)  # fmt: skip
_ISSUER: Final = "inferometer"
"""Who passes the cost on. Nobody pays these rows: the invoice is the cloud's, and they are what it was used for."""
_HOSTS: Final = {"instance:aws": "AWS", "instance:azure": "Microsoft", "instance:gcp": "Google Cloud"}
"""By the begin of the source of a price that names the host's instance: ``instance:aws:p5.48xlarge:us-east-1``."""
_UNKNOWN_HOST: Final = "Not Applicable"
"""As FOCUS 1.3 has it where the provider of the host cannot be determined."""
_QUANTITY_PLACES: Final = 18
"""Of hours: times the price of any device that is the cost to less than a picodollar."""
_CATEGORIES: Final = {"on_demand": "Standard", "spot": "Dynamic", "reserved": "Committed"}
"""Of prices; whatever is bought otherwise (own hardware) is `Other`."""
_PLACES: Final = 12
_HOUR_NS: Final = 3600 * SECOND
_LEDGER: Final = "inferometer:ledger"
_CARRIED: Final = "carried"
_WARM_UP: Final = "warm_up"
_DESCRIPTIONS: Final = {
    State.WARM_IDLE: "Idle: a server was there, and no request",
    State.LOADING: "Idle: a model was loaded",
    State.UNALLOCATED: "Idle: no server was there",
    State.UNOBSERVED: "Idle: nobody watched, the sidecar was down",
    State.SYSTEM: "Runs of a model for no request",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Charge:
    """A part of a device's hour."""

    state: str
    description: str
    cost: int
    ns: int
    tags: Mapping[str, str] | None = None
    method: str = _LEDGER
    loaded: int = 0


def rows(costs: Costs) -> FocusAnswer:
    """A row for every part of every device's hour; those of a device without a price have no cost."""
    shares: dict[tuple[str, int], list[tuple[Share, int]]] = defaultdict(list)
    for share, loaded in zip(costs.shares, costs.loaded, strict=True):
        shares[share.device, share.hour].append((share, loaded))
    found = []
    for hour in costs.hours:
        for charge in _charges(hour, shares[hour.device, hour.hour], costs.by):
            cells = _row(hour, charge)
            found.append([cells[column] for column in COLUMNS])
    return {"columns": list(COLUMNS), "rows": found}


def _charges(hour: DeviceHour, shares: list[tuple[Share, int]], by: tuple[str, ...]) -> Iterator[_Charge]:
    costs = state_costs(hour)
    for share, loaded in shares:
        tags = dict(zip(by, share.keys, strict=True))
        yield _Charge(
            state=_WARM_UP if share.warm else State.ATTRIBUTED,
            description=f"{'Warm-up' if share.warm else 'Requests'} of {_named(tags)}",
            cost=share.cost,
            ns=share.device_ns,
            tags=tags,
            method=f"inferometer:{'+'.join(sorted(share.methods)) or 'unknown'}",
            loaded=loaded,
        )
    carried = costs[State.ATTRIBUTED] - sum(share.cost for share, _ in shares)
    carried_ns = hour.states.get(State.ATTRIBUTED, 0) - sum(share.device_ns for share, _ in shares)
    if carried or carried_ns:
        text = "Requests that end in a later hour, less what those that ended in this one had used before it"
        yield _Charge(state=_CARRIED, description=text, cost=carried, ns=carried_ns)
    for state, text in _DESCRIPTIONS.items():
        if hour.states.get(state, 0) or costs[state]:
            yield _Charge(state=state, description=text, cost=costs[state], ns=hour.states.get(state, 0))


def _named(tags: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" if value else f"no {name}" for name, value in tags.items())


def _row(hour: DeviceHour, charge: _Charge) -> dict[str, str]:
    begin = datetime.fromtimestamp(hour.hour * 3600, UTC)
    month = begin.replace(day=1, hour=0)
    price = hour.price
    tags = charge.tags or {}
    # By time where the hour cost nothing, or nobody knows what.
    part, whole = (charge.cost, hour.bill) if price and hour.bill else (charge.ns, hour.span)
    ratio = {"AllocatedRatio": part / whole if whole else 0.0}
    details = {"Elements": [ratio | {"UsageUnit": "Seconds", "UsageQuantity": charge.ns / SECOND}]}
    name = json.dumps(tags, ensure_ascii=False) if tags else ""
    cost = _usd(charge.cost) if price else ""
    region = tags.get(REGION.name, "")
    return {
        "BillingAccountId": _ISSUER,
        "BillingAccountName": "",
        "BillingPeriodStart": _time(month),
        "BillingPeriodEnd": _time((month + timedelta(days=32)).replace(day=1)),
        "ChargePeriodStart": _time(begin),
        "ChargePeriodEnd": _time(begin + timedelta(hours=1)),
        "InvoiceId": "",
        "InvoiceIssuerName": _ISSUER,
        "ProviderName": _ISSUER,
        "PublisherName": _ISSUER,
        "ServiceProviderName": _ISSUER,
        "HostProviderName": _host(price),
        "BillingCurrency": "USD",
        "BilledCost": cost,
        "EffectiveCost": cost,
        # Without a unit price of a list these are what was billed, says FOCUS.
        "ListCost": cost,
        "ContractedCost": cost,
        "ContractedUnitPrice": _usd(price.picodollars_per_hour) if price else "",
        "PricingCategory": _CATEGORIES.get(price.kind, "Other") if price else "",
        "PricingQuantity": _hours(charge, price),
        "PricingUnit": "Hours",
        "ConsumedQuantity": _decimal(charge.ns, 9),
        "ConsumedUnit": "Seconds",
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "ChargeDescription": charge.description,
        "ChargeFrequency": "Usage-Based",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceSubcategory": "Machine Learning",
        "ServiceName": tags.get(SERVICE.name, "") or "inference",
        "RegionId": region,
        "RegionName": region,
        "ResourceId": hour.device,
        "ResourceName": hour.device,
        "ResourceType": "device",
        "CapacityReservationId": hour.device,
        "CapacityReservationStatus": "Used" if _used(charge.state) else "Unused",
        "AllocatedMethodId": charge.method,
        "AllocatedMethodDetails": json.dumps(details),
        # Null for what is allocated to nobody.
        "AllocatedResourceId": name,
        "AllocatedResourceName": "/".join(tags.values()) if tags else "",
        "AllocatedTags": name,
        "x_State": charge.state,
        "x_FullyLoadedCost": _usd(charge.loaded) if price else "",
        "x_PriceSource": price.source if price else "",
        "x_PriceAsOf": price.as_of if price else "",
    }


def _host(price: Priced | None) -> str:
    """Whose the host is, where its price names an instance; a default price is of hardware, wherever it stands."""
    return _HOSTS.get(":".join(price.source.split(":")[:2]), _UNKNOWN_HOST) if price else _UNKNOWN_HOST


def _hours(charge: _Charge, price: Priced | None) -> str:
    """Hours at the price that make the cost; where the price changed within the hour these are not those of a clock."""
    if price is None or not price.picodollars_per_hour:
        return _decimal(charge.ns * 10**_QUANTITY_PLACES // _HOUR_NS, _QUANTITY_PLACES)
    per_hour = price.picodollars_per_hour
    return _decimal((charge.cost * 10**_QUANTITY_PLACES + per_hour // 2) // per_hour, _QUANTITY_PLACES)


def _used(state: str) -> bool:
    return state in {*USED, _WARM_UP, _CARRIED}


def _usd(picodollars: int) -> str:
    return _decimal(picodollars, _PLACES)


def _decimal(units: int, places: int) -> str:
    """A whole number of units of 10^-places, exactly."""
    sign, digits = "-" if units < 0 else "", str(abs(units)).rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}"


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
