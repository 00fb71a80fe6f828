"""Recording rules of money, over an hour.

Marginal cost is the device time that requests used, at its price. Fully loaded cost adds what the bill holds besides:
idle, loading, system. Each request carries it in proportion to its marginal cost, so that loaded costs add up to the
bill. Cost per 1,000 of the fleet and of a tenant counts entry requests; of a model, the requests to that model.
"""

from collections.abc import Iterator
from typing import Final

from inferometer import promql
from inferometer.catalog import devices
from inferometer.catalog.labels import DEVICE, ENTRY, TENANT
from inferometer.catalog.model import Counter, Label
from inferometer.catalog.requests import COST, REQUESTS
from inferometer.promql import Expr, Matcher
from inferometer_alerts import cost_proofs, recorded_costs
from inferometer_alerts.rule import Group, Rule
from inferometer_alerts.rule_labels import OF_MODEL
from inferometer_alerts.rule_series import Recorded
from inferometer_alerts.time_scale import TimeScale

WINDOW: Final = "1h"


def group(scale: TimeScale) -> Group:
    """Rules in the order in which they build upon each other."""
    window = scale.over(WINDOW)
    return Group(
        name="cost",
        interval="1m",
        rules=(*_amounts(window), *_shares(), *_per_1k()),
        readings=tuple(cost_proofs.readings()),
    )


def _amounts(window: str) -> Iterator[Rule]:
    def total(counter: Counter, *by: Label, only: tuple[Matcher, ...] = ()) -> Expr:
        return promql.sum_by(promql.increase(promql.select(counter, *only), window), *by)

    yield Rule(series=recorded_costs.COST_MODEL, expr=total(COST, *OF_MODEL, TENANT))
    yield Rule(series=recorded_costs.REQUESTS_MODEL, expr=total(REQUESTS, *OF_MODEL, TENANT))
    yield Rule(series=recorded_costs.REQUESTS_ENTRY, expr=total(REQUESTS, TENANT, only=(promql.equal(ENTRY, "true"),)))
    yield Rule(series=recorded_costs.BILL, expr=total(devices.BILL, DEVICE))
    yield Rule(series=recorded_costs.IDLE, expr=total(devices.IDLE_COST, DEVICE))


def _sum(series: Recorded, *by: Label) -> Expr:
    return promql.sum_by(promql.select(series), *by)


def _shares() -> Iterator[Rule]:
    yield Rule(
        series=recorded_costs.IDLE_SHARE,
        expr=promql.select(recorded_costs.IDLE) / (promql.select(recorded_costs.BILL) > 0),
    )
    yield Rule(series=recorded_costs.FLEET_IDLE_SHARE, expr=_sum(recorded_costs.IDLE) / (_sum(recorded_costs.BILL) > 0))
    yield Rule(
        series=recorded_costs.LOAD_FACTOR, expr=_sum(recorded_costs.BILL) / (_sum(recorded_costs.COST_MODEL) > 0)
    )


def _per_1k() -> Iterator[Rule]:
    cost, hops, entries = recorded_costs.COST_MODEL, recorded_costs.REQUESTS_MODEL, recorded_costs.REQUESTS_ENTRY
    fleet = 1000 * _sum(cost) / (_sum(entries) > 0)
    tenant = 1000 * _sum(cost, TENANT) / (promql.select(entries) > 0)
    model = 1000 * _sum(cost, *OF_MODEL) / (_sum(hops, *OF_MODEL) > 0)
    model_tenant = 1000 * _sum(cost, *OF_MODEL, TENANT) / (_sum(hops, *OF_MODEL, TENANT) > 0)
    yield Rule(series=recorded_costs.FLEET_PER_1K, expr=fleet)
    yield Rule(series=recorded_costs.FLEET_PER_1K_LOADED, expr=1000 * _sum(recorded_costs.BILL) / (_sum(entries) > 0))
    yield Rule(series=recorded_costs.TENANT_PER_1K, expr=tenant)
    yield Rule(series=recorded_costs.TENANT_PER_1K_LOADED, expr=_loaded(promql.select(recorded_costs.TENANT_PER_1K)))
    yield Rule(series=recorded_costs.MODEL_PER_1K, expr=model)
    yield Rule(series=recorded_costs.MODEL_PER_1K_LOADED, expr=_loaded(promql.select(recorded_costs.MODEL_PER_1K)))
    yield Rule(series=recorded_costs.MODEL_TENANT_PER_1K_LOADED, expr=_loaded(model_tenant))


def _loaded(marginal: Expr) -> Expr:
    return promql.multiply(marginal, promql.select(recorded_costs.LOAD_FACTOR), on=())
