"""The rows of `inferometer cost --csv` against the rules of FOCUS, which are data: `tests/data/focus/rules.json`."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from inferometer.fleet.price_book import BUILTIN, INSTANCE
from inferometer_exporters.recorder import cost_focus
from inferometer_exporters.recorder.cost_report import costs

RULES = json.loads((Path(__file__).parents[2] / "data/focus/rules.json").read_text())["columns"]
COSTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
PARENTS = RULES["ServiceSubcategory"].pop("allowed")
FORMATS = {
    "Decimal": re.compile(r"-?[0-9]+(\.[0-9]+)?(E-?[0-9]+)?"),
    "Date/Time": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"),
    "String": re.compile(r"\S(.*\S)?", re.DOTALL),
    "JSON": re.compile(r"\{.*\}", re.DOTALL),
    "Currency Format": re.compile(r"[A-Z]{3}"),
    "Unit Format": re.compile(r"(Year|Month|Day|Hour|Minute|Second|Token|Request|Unit)s"),
}
PICODOLLAR = Decimal(1).scaleb(-12)


def broken(row: dict[str, str]) -> Iterator[str]:
    """Every rule that a row breaks."""
    yield from (
        f"{name} is missing" for name, rule in RULES.items() if rule["level"] == "mandatory" and name not in row
    )
    for name, text in row.items():
        if name not in RULES:
            if not re.fullmatch(r"x_[A-Z][A-Za-z]*", name):
                yield f"{name} is no column of FOCUS"
            continue
        rule = RULES[name]
        if not text:
            if not rule["nullable"]:
                yield f"{name} is null"
            continue
        kinds = (rule["type"], rule.get("format"))
        if not all(FORMATS[kind].fullmatch(text) for kind in kinds if kind in FORMATS):
            yield f"{name} is {text!r}, no {rule['type']}"
        elif rule["type"] == "JSON":
            json.loads(text)
        if "allowed" in rule and text not in rule["allowed"]:
            yield f"{name} is {text!r}, allowed are {rule['allowed']}"
    yield from _between(row)


def _between(row: dict[str, str]) -> Iterator[str]:
    """What the specification says of two columns together."""
    for value, other in (
        ("PricingQuantity", "PricingUnit"),
        ("ConsumedQuantity", "ConsumedUnit"),
        ("ResourceId", "ResourceType"),
        ("RegionId", "RegionName"),
        ("CapacityReservationId", "CapacityReservationStatus"),
    ):
        if bool(row.get(value)) is not bool(row.get(other)):
            yield f"{value} and {other} are not null together"
    if row.get("ServiceSubcategory") not in PARENTS[row["ServiceCategory"]]:
        yield f"{row.get('ServiceSubcategory')} is not below {row['ServiceCategory']}"
    if not row.get("ListUnitPrice") and row.get("ListCost") != row.get("BilledCost"):
        yield "ListCost is not BilledCost, and there is no ListUnitPrice"
    if price := row.get("ContractedUnitPrice"):
        product = Decimal(price) * Decimal(row.get("PricingQuantity") or "NaN")
        if not abs(product - Decimal(row["ContractedCost"])) < PICODOLLAR:
            yield f"ContractedUnitPrice x PricingQuantity is {product}, ContractedCost is {row['ContractedCost']}"
    if not row["BillingPeriodStart"] <= row["ChargePeriodStart"] < row["ChargePeriodEnd"] <= row["BillingPeriodEnd"]:
        yield "the charge's period is not within the bill's"


@pytest.fixture(scope="module")
def bench(lasting_bench):
    """One for all: they only ask."""
    return lasting_bench


@pytest.fixture(scope="module")
def rows(bench, make, worked):
    """A host with a price and a GPU without, for some hours, with requests and idle time on both."""
    worked(bench, make, passes=9)
    cursor = bench.recorder.cursor()
    answer = cost_focus.rows(costs(cursor, ("service", "model", "region", "tenant")))
    cursor.close()
    assert len(set(answer["columns"])) == len(answer["columns"])
    return [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]


def test_every_row_of_a_priced_device_keeps_every_rule(rows):
    found = [row for row in rows if row["x_PriceSource"]]

    assert {row["CapacityReservationStatus"] for row in found} == {"Used", "Unused"}
    assert {row["x_State"] for row in found} >= {"attributed", "warm_idle", "carried"}
    assert [list(broken(row)) for row in found if list(broken(row))] == []


def test_a_device_without_a_price_breaks_one_rule_its_costs_are_null(rows):
    """FOCUS wants a number; 0 would be a lie, so this is the one thing that a strict reader refuses."""
    found = [row for row in rows if not row["x_PriceSource"]]

    assert found
    for row in found:
        assert set(broken(row)) == {f"{name} is null" for name in COSTS}


def test_shares_of_a_devices_hour_sum_to_one(rows):
    """An hour of which the device spent nothing yet has none: its rows are of the hour before, and sum to 0."""
    by_hour = {}
    for row in rows:
        by_hour.setdefault((row["ResourceId"], row["ChargePeriodStart"]), []).append(row)
    for mine in by_hour.values():
        ratios = [json.loads(row["AllocatedMethodDetails"])["Elements"][0]["AllocatedRatio"] for row in mine]
        spent = sum(Decimal(row["ConsumedQuantity"]) for row in mine)
        assert sum(ratios) == pytest.approx(1 if spent else 0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ListCost": None}, "ListCost is missing"),
        ({"BilledCost": ""}, "BilledCost is null"),
        ({"BilledCost": "$1"}, "BilledCost is '$1', no Decimal"),
        ({"BilledCost": "+1"}, "BilledCost is '+1', no Decimal"),
        ({"ChargePeriodStart": "2026-11-23 23:00:00"}, "ChargePeriodStart is '2026-11-23 23:00:00', no Date/Time"),
        ({"BillingCurrency": "dollars"}, "BillingCurrency is 'dollars', no String"),
        ({"ConsumedUnit": "sec"}, "ConsumedUnit is 'sec', no String"),
        ({"ChargeCategory": "Use"}, "ChargeCategory is 'Use', allowed are"),
        (
            {"CapacityReservationStatus": ""},
            "CapacityReservationId and CapacityReservationStatus are not null together",
        ),
        ({"ServiceSubcategory": "Serverless Compute"}, "Serverless Compute is not below AI and Machine Learning"),
        ({"PricingQuantity": "1"}, "ContractedUnitPrice x PricingQuantity is"),
        ({"State": "idle"}, "State is no column of FOCUS"),
        ({"ListCost": "1"}, "ListCost is not BilledCost"),
    ],
)
def test_each_rule_finds_what_breaks_it(rows, change, said):
    right = next(row for row in rows if row["x_State"] == "attributed" and row["x_PriceSource"])
    wrong = {name: text for name, text in (right | change).items() if text is not None}

    assert any(one.startswith(said) for one in broken(wrong)), list(broken(wrong))


@pytest.mark.parametrize(
    ("source", "host"),
    [
        (f"{INSTANCE}:aws:p5.48xlarge:us-east-1", "AWS"),
        (f"{INSTANCE}:azure:Standard_ND96isr_H100_v5:eastus", "Microsoft"),
        (f"{BUILTIN}:aws:p5.48xlarge", "Not Applicable"),
        ("contract", "Not Applicable"),
    ],
)
def test_the_provider_of_the_host_is_told_where_the_price_names_its_instance(source, host):
    price = cost_focus.Priced(picodollars_per_hour=1, kind="on_demand", source=source, as_of="2026-10-01")

    assert cost_focus._host(price) == host
