"""The ledger as a bill: rows whose columns are named by the FinOps Open Cost and Usage Specification (FOCUS 1.3).

One row per device, hour and group, one per idle state (``CapacityReservationStatus`` Unused), one for what requests
used of another hour than the one they ended in. The rows of an hour sum to its device's bill, to the picodollar.
Columns: https://focus.finops.org/focus-columns/ (those of split cost allocation since version 1.3); ours begin with
``x_``. An origin charge is a device's hour: its ``AllocatedRatio`` sum to 1.
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
from inferometer_exporters.recorder.ledger_hours import DeviceHour
from inferometer_exporters.recorder.reading import SECOND

COLUMNS: Final = (
    "BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd", "BillingCurrency", "BilledCost",
    "EffectiveCost", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency", "ConsumedQuantity",
    "ConsumedUnit", "PricingCategory", "PricingUnit", "ContractedUnitPrice", "ServiceCategory", "ServiceName",
    "RegionId", "ResourceId", "ResourceName", "ResourceType", "CapacityReservationId", "CapacityReservationStatus",
    "AllocatedMethodId", "AllocatedMethodDetails", "AllocatedResourceId", "AllocatedResourceName", "AllocatedTags",
    "x_State", "x_FullyLoadedCost", "x_PriceSource", "x_PriceAsOf",
)  # fmt: skip
_CATEGORIES: Final = {"on_demand": "Standard", "spot": "Dynamic", "reserved": "Committed"}
"""Of prices; whatever is bought otherwise (own hardware) is `Other`."""
_PLACES: Final = 12
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
    whole = hour.bill if price else hour.span
    part = charge.cost if price else charge.ns
    ratio = {"AllocatedRatio": part / whole if whole else 0.0}
    details = {"Elements": [ratio | {"UsageUnit": "Seconds", "UsageQuantity": charge.ns / SECOND}]}
    name = json.dumps(tags, ensure_ascii=False) if tags else ""
    return {
        "BillingPeriodStart": _time(month),
        "BillingPeriodEnd": _time((month + timedelta(days=32)).replace(day=1)),
        "ChargePeriodStart": _time(begin),
        "ChargePeriodEnd": _time(begin + timedelta(hours=1)),
        "BillingCurrency": "USD",
        "BilledCost": _usd(charge.cost) if price else "",
        "EffectiveCost": _usd(charge.cost) if price else "",
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "ChargeDescription": charge.description,
        "ChargeFrequency": "Usage-Based",
        "ConsumedQuantity": _decimal(charge.ns, 9),
        "ConsumedUnit": "Seconds",
        "PricingCategory": _CATEGORIES.get(price.kind, "Other") if price else "",
        "PricingUnit": "Hours" if price else "",
        "ContractedUnitPrice": _usd(price.picodollars_per_hour) if price else "",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": tags.get(SERVICE.name, "") or "inference",
        "RegionId": tags.get(REGION.name, ""),
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
