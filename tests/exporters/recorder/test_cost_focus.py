"""The bill as FOCUS rows: exact, whole, and null where nothing is known."""

import csv
import json
from decimal import Decimal

import duckdb
import pytest

from inferometer_exporters.recorder import cost_focus
from inferometer_exporters.recorder.cost_report import costs


@pytest.fixture(scope="module")
def bench(lasting_bench):
    """One for all: they only ask."""
    return lasting_bench


@pytest.fixture(scope="module")
def used(bench, make, worked):
    """Three hours, a few requests in each, on the host and on a GPU without a price."""
    worker = worked(bench, make, passes=18)
    bench.do_pass(worker.arrival(bench.clock.now + make.SECOND), seconds=1)
    cursor = bench.recorder.cursor()
    yield costs(cursor, ("model", "tenant"))
    cursor.close()


def as_dicts(answer):
    return [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]


def test_rows_sum_to_the_bill_of_each_device_and_hour_to_the_picodollar(used):
    rows = as_dicts(cost_focus.rows(used))

    assert {row["ChargePeriodStart"][11:13] for row in rows} == {"14", "15", "16", "17"}
    for hour in used.hours:
        mine = [
            row
            for row in rows
            if row["ResourceId"] == hour.device and row["ChargePeriodStart"][11:13] == f"{hour.hour % 24:02d}"
        ]
        if hour.price:
            assert sum(Decimal(row["BilledCost"]) for row in mine) == Decimal(hour.bill).scaleb(-12)
        assert sum(Decimal(row["ConsumedQuantity"]) for row in mine) == Decimal(hour.span).scaleb(-9)
        details = [json.loads(row["AllocatedMethodDetails"])["Elements"][0] for row in mine]
        assert sum(one["AllocatedRatio"] for one in details) == pytest.approx(1)


def test_fully_loaded_costs_sum_to_the_bill_too(used):
    rows = as_dicts(cost_focus.rows(used))

    bill = sum(bill.bill for bill in used.bills)
    assert sum(Decimal(row["x_FullyLoadedCost"] or 0) for row in rows) == Decimal(bill).scaleb(-12)


def test_a_warehouse_reads_the_same_total(used, tmp_path):
    answer, path = cost_focus.rows(used), tmp_path / "focus.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([answer["columns"], *answer["rows"]])
    sql = f"""
        select sum(BilledCost::decimal(38, 12)), count(*) filter (CapacityReservationStatus = 'Unused') > 0,
               count(*) filter (BilledCost is null) from read_csv('{path}')
    """  # noqa: S608 - a path of this test
    ((total, unused, unpriced),) = duckdb.sql(sql).fetchall()

    assert total == Decimal(sum(bill.bill for bill in used.bills)).scaleb(-12)
    assert unused
    assert unpriced == sum(1 for row in as_dicts(answer) if row["ResourceId"] == "GPU-1")


def test_what_is_allocated_to_nobody_has_no_allocated_resource_and_is_unused(used):
    rows = as_dicts(cost_focus.rows(used))

    idle = [row for row in rows if row["x_State"] == "warm_idle"]
    assert idle
    for row in idle:
        assert (row["AllocatedResourceId"], row["AllocatedTags"], row["CapacityReservationStatus"]) == (
            "",
            "",
            "Unused",
        )
    some = next(row for row in rows if row["x_State"] == "attributed" and row["ResourceId"] == "box")
    assert json.loads(some["AllocatedTags"]).keys() == {"model", "tenant"}
    assert some["CapacityReservationStatus"] == "Used"
    assert some["AllocatedMethodId"].startswith("inferometer:")
    assert (some["PricingCategory"], some["ContractedUnitPrice"]) == ("Other", "3.600000000000")
    assert (some["BillingPeriodStart"], some["BillingPeriodEnd"]) == ("2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z")


def test_a_device_without_a_price_has_quantities_and_no_cost(used):
    rows = [row for row in as_dicts(cost_focus.rows(used)) if row["ResourceId"] == "GPU-1"]

    assert {row["BilledCost"] for row in rows} == {row["ContractedUnitPrice"] for row in rows} == {""}
    assert sum(Decimal(row["ConsumedQuantity"]) for row in rows) > 0
