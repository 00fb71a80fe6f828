"""Proof of what is recorded of money: amounts of the last hour, and what a thousand requests cost.

Three devices, one of them idle all the time and one without a price; three models, two of one service and two of one
name; two tenants; every amount in two regions. For two hours everything costs twice as much. An hour later only the
new amounts may count; ten minutes before that, what is left of the old ones. One model costs money and gets no
requests, one gets requests and costs nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from inferometer import promql
from inferometer.catalog import devices
from inferometer.catalog.labels import DEVICE, ENTRY, MODEL, REGION, SERVICE, TENANT
from inferometer.catalog.model import Label
from inferometer.catalog.requests import COST, REQUESTS
from inferometer.promql import Family
from inferometer_alerts import recorded_costs
from inferometer_alerts.rule import Expect, Reading
from inferometer_alerts.rule_series import Recorded
from inferometer_alerts.samples import Phase, counter

_TO: Final = Decimal("0.0001")
_MINUTES: Final = 120
_PER_WINDOW: Final = 59
"""Rises between the sixty samples of an hour; `increase()` adds one."""
_OLD_LEFT: Final = 9
_LATER: Final = (("3h", 0), ("2h50m", _OLD_LEFT))
_SHARES: Final = {"eu": 1, "us": 3}
_REGIONS: Final = sum(_SHARES.values())

Element = tuple[Mapping[str, str], Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Served:
    """Requests of a tenant to a model, and what they cost, in a minute and a region of share 1."""

    service: str
    model: str
    tenant: str
    entry: int
    inner: int
    cost: Decimal

    @property
    def requests(self) -> int:
        return self.entry + self.inner


_SERVED: Final = (
    _Served(service="embedder", model="minilm", tenant="acme", entry=10, inner=5, cost=Decimal("0.00025")),
    _Served(service="embedder", model="minilm", tenant="globex", entry=20, inner=0, cost=Decimal("0.0005")),
    _Served(service="embedder", model="other", tenant="acme", entry=0, inner=40, cost=Decimal("0.0015")),
    _Served(service="reranker", model="minilm", tenant="acme", entry=7, inner=0, cost=Decimal(0)),
    _Served(service="reranker", model="warmed", tenant="nobody", entry=0, inner=0, cost=Decimal("0.001")),
)
_DEVICES: Final[Mapping[str, tuple[Decimal, Decimal]]] = {
    "gpu-busy": (Decimal("0.004"), Decimal("0.001")),
    "gpu-idle": (Decimal("0.002"), Decimal("0.002")),
    "cpu-free": (Decimal(0), Decimal(0)),
}
"""Bill and idle cost in a minute."""


def readings() -> Iterator[Reading]:
    """Proof of every rule of the file."""
    expect = [one for at, old in _LATER for one in _expected(at, _Hour(old))]
    yield Reading(name="money of an hour", series=_series(), expect=tuple(expect), step="1m", evaluation="1m")
    # Nobody asked anything: there is no cost per request, rather than NaN or infinity.
    nothing = {**dict(_of_devices()), **{_name(COST, _labels(one, "eu")): "0x180" for one in _SERVED}}
    absent = tuple(
        Expect(series=series, at="3h")
        for series in (
            recorded_costs.LOAD_FACTOR,
            recorded_costs.FLEET_PER_1K,
            recorded_costs.FLEET_PER_1K_LOADED,
            recorded_costs.TENANT_PER_1K,
            recorded_costs.TENANT_PER_1K_LOADED,
            recorded_costs.MODEL_PER_1K,
            recorded_costs.MODEL_PER_1K_LOADED,
            recorded_costs.MODEL_TENANT_PER_1K_LOADED,
        )
    )
    unasked = {_name(REQUESTS, {**_labels(one, "eu"), ENTRY: "true"}): "0x180" for one in _SERVED}
    yield Reading(
        name="an hour without requests", series={**nothing, **unasked}, expect=absent, step="1m", evaluation="1m"
    )
    yield Reading(
        name="an hour without a bill",
        series={_name(family, {DEVICE: "cpu-free"}): "0x180" for family in (devices.BILL, devices.IDLE_COST)},
        expect=(
            Expect(series=recorded_costs.IDLE_SHARE, at="3h"),
            Expect(series=recorded_costs.FLEET_IDLE_SHARE, at="3h"),
        ),
        step="1m",
        evaluation="1m",
    )


def _name(family: Family, labels: Mapping[Label, str]) -> str:
    return promql.select(family, *(promql.equal(label, value) for label, value in labels.items())).text


def _labels(served: _Served, region: str) -> dict[Label, str]:
    return {SERVICE: served.service, MODEL: served.model, TENANT: served.tenant, REGION: region}


def _falling(minute: Decimal | int) -> str:
    return counter([Phase(_MINUTES, Decimal(2 * minute)), Phase(_MINUTES, Decimal(minute))])


def _of_devices() -> Iterator[tuple[str, str]]:
    for device, (bill, idle) in _DEVICES.items():
        yield _name(devices.BILL, {DEVICE: device}), _falling(bill)
        yield _name(devices.IDLE_COST, {DEVICE: device}), _falling(idle)


def _series() -> dict[str, str]:
    made = dict(_of_devices())
    for served in _SERVED:
        for region, share in _SHARES.items():
            labels = _labels(served, region)
            made[_name(COST, labels)] = _falling(served.cost * share)
            made[_name(REQUESTS, {**labels, ENTRY: "true"})] = _falling(served.entry * share)
            made[_name(REQUESTS, {**labels, ENTRY: "false"})] = _falling(served.inner * share)
    return made


@dataclass(frozen=True, slots=True)
class _Hour:
    """The last hour, of which so many rises are from before the change."""

    old: int

    def of(self, minute: Decimal | int) -> Decimal:
        """Increase over the hour."""
        return Decimal(minute) * (_PER_WINDOW + self.old) * 60 / _PER_WINDOW

    def requests(self, minute: Decimal | int) -> Decimal:
        """The same of what every region has."""
        return self.of(minute) * _REGIONS


def _sums(*by: str, of: Callable[[_Served], Decimal | int]) -> dict[tuple[tuple[str, str], ...], Decimal]:
    """Sums in a minute per value of labels."""
    sums: dict[tuple[tuple[str, str], ...], Decimal] = {}
    for served in _SERVED:
        key = tuple((name, str(getattr(served, name))) for name in by)
        sums[key] = sums.get(key, Decimal(0)) + of(served)
    return sums


def _expected(at: str, hour: _Hour) -> Iterator[Expect]:
    def expect(series: Recorded, elements: Iterable[Element]) -> Expect:
        return Expect(series=series, at=at, to=_TO, elements=tuple((key, _rounded(value)) for key, value in elements))

    def totals(series: Recorded, *by: str, of: Callable[[_Served], Decimal | int]) -> Expect:
        return expect(series, ((dict(key), hour.requests(one)) for key, one in _sums(*by, of=of).items()))

    bill, idle = (sum((one[place] for one in _DEVICES.values()), Decimal(0)) for place in (0, 1))
    cost = sum((one.cost for one in _SERVED), Decimal(0)) * _REGIONS
    entries = Decimal(sum(one.entry for one in _SERVED) * _REGIONS)
    everyone = ("service", "model", "tenant")
    yield totals(recorded_costs.COST_MODEL, *everyone, of=lambda one: one.cost)
    yield totals(recorded_costs.REQUESTS_MODEL, *everyone, of=lambda one: one.requests)
    yield totals(recorded_costs.REQUESTS_ENTRY, "tenant", of=lambda one: one.entry)
    of_device = {device: {DEVICE.name: device} for device in _DEVICES}
    yield expect(recorded_costs.BILL, ((of_device[name], hour.of(one[0])) for name, one in _DEVICES.items()))
    yield expect(recorded_costs.IDLE, ((of_device[name], hour.of(one[1])) for name, one in _DEVICES.items()))
    shares = ((of_device[name], one[1] / one[0]) for name, one in _DEVICES.items() if one[0])
    yield expect(recorded_costs.IDLE_SHARE, shares)
    yield expect(recorded_costs.FLEET_IDLE_SHARE, [({}, idle / bill)])
    yield expect(recorded_costs.LOAD_FACTOR, [({}, bill / cost)])
    yield expect(recorded_costs.FLEET_PER_1K, [({}, 1000 * cost / entries)])
    yield expect(recorded_costs.FLEET_PER_1K_LOADED, [({}, 1000 * bill / entries)])
    loaded = bill / cost
    tenants = dict(_per_1k("tenant", requests=lambda one: one.entry))
    models = dict(_per_1k("service", "model", requests=lambda one: one.requests))
    of_tenants = dict(_per_1k(*everyone, requests=lambda one: one.requests))
    yield expect(recorded_costs.TENANT_PER_1K, ((dict(key), one) for key, one in tenants.items()))
    yield expect(recorded_costs.TENANT_PER_1K_LOADED, ((dict(key), one * loaded) for key, one in tenants.items()))
    yield expect(recorded_costs.MODEL_PER_1K, ((dict(key), one) for key, one in models.items()))
    yield expect(recorded_costs.MODEL_PER_1K_LOADED, ((dict(key), one * loaded) for key, one in models.items()))
    yield expect(
        recorded_costs.MODEL_TENANT_PER_1K_LOADED, ((dict(key), one * loaded) for key, one in of_tenants.items())
    )


def _per_1k(*by: str, requests: Callable[[_Served], int]) -> Iterator[tuple[tuple[tuple[str, str], ...], Decimal]]:
    costs, asked = _sums(*by, of=lambda one: one.cost), _sums(*by, of=requests)
    for key, number in asked.items():
        if number:
            yield key, 1000 * costs[key] / number


def _rounded(value: Decimal) -> Decimal:
    return (value / _TO + Decimal("0.5")).to_integral_value(ROUND_FLOOR) * _TO
