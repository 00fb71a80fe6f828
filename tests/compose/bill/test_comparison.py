"""Ledger and bill: matched by fleet.yaml or the host's name; every column adds up to the picodollar."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.fleet.loader import loads
from inferometer_compose.bill.claims import Billed, claims
from inferometer_compose.bill.comparison import compare
from inferometer_compose.bill.focus import Charge
from inferometer_compose.bill.periods import Periods
from inferometer_compose.bill.table import BillError
from inferometer_exporters.recorder.ledger_days import DAY_NS, DeviceDay

USD = 10**12
HOUR = 3_600 * 10**9
GPU = Billed(name="GPU-1", kind="gpu", model="NVIDIA H100 80GB HBM3")
SECOND = Billed(name="GPU-2", kind="gpu", model="NVIDIA H100 80GB HBM3")
HOST = Billed(name="gpu-node-1", kind="cpu", model="some CPU")
FLEET = """
version: 1
fleet: f
services: {a: {engine: fastapi, models: {m: {}}}}
objectives: {o: {sli: availability, target: 99, window: 30d}}
devices:
  - match: {MATCH}
    price: {usd_per_hour: 1, kind: spot, source: list, as_of: 2026-10-01}
    bill: {BILL}
receivers: {r: {webhook: {url: "http://127.0.0.1:1/"}}}
routes: {page: r, ticket: r}
"""


def fleet(match, bill):
    return loads(FLEET.replace("{MATCH}", match).replace("{BILL}", bill))


def charge(usd="10", day=100, days=1, **given):
    told = {
        "service": "Compute", "sku": "S", "sku_price": "", "resource": "", "resource_name": "", "region": "",
        "pricing_category": "Standard", "commitment_status": "", "consumed": None, "consumed_unit": "", "tags": "",
    }  # fmt: skip
    begin = day * DAY_NS
    return Charge(**({"begin_ns": begin, "end_ns": begin + days * DAY_NS, "usd": Decimal(usd)} | told | given))


def ledger_day(device, day=100, bill=8 * USD, span=DAY_NS):
    return DeviceDay(device=device, kind="gpu", model="", day=day, span=span, unpriced=0, bill=bill)


def compared(found, wanted, ledger):
    made = compare(found, wanted, ledger)
    for day in made.days:
        assert sum(line.ledger for line in day.lines) == day.ledger.bill
        assert sum(line.billed for line in day.lines) == day.billed
    return made


@pytest.mark.parametrize(
    "told",
    [
        {"resource": "arn:aws:ec2:us-east-1:1:instance/gpu-node-1"},
        {"resource": "/subscriptions/1/virtualMachines/GPU-NODE-1"},
        {"resource_name": "gpu-node-1"},
        {"tags": '{"user:Name": "gpu-node-1"}'},
        {"tags": '[{"key": "hostname", "value": "gpu-node-1"}]'},
    ],
)
def test_a_charge_that_carries_the_hosts_name_is_for_its_devices(told):
    made = compared([charge(**told)], claims((GPU, HOST), "gpu-node-1.internal", "", None), [ledger_day("GPU-1")])
    other = compared([charge(**told)], claims((GPU, HOST), "gpu-node-2", "", None), [ledger_day("GPU-1")])

    assert [(day.ledger.device, day.billed) for day in made.days] == [("GPU-1", 10 * USD)]
    assert other.days == ()
    assert other.rest["Compute"].usd == 10
    assert [day.device for day in other.unbilled] == []


def test_a_tag_that_is_no_name_claims_nothing():
    made = compared([charge(tags='{"team": "gpu-node-1"}')], claims((GPU,), "gpu-node-1", "", None), [])

    assert made.matched == 0


@pytest.mark.parametrize(
    ("match", "bill", "told", "matched"),
    [
        ("{kind: gpu}", "{resources: ['i-0abc*']}", {"resource": "i-0abcdef"}, 1),
        ("{kind: gpu}", "{resources: ['i-0abc*']}", {"resource": "i-9"}, 0),
        ("{kind: gpu}", "{skus: [P548]}", {"sku": "P548"}, 1),
        ("{kind: gpu}", "{skus: [P548.OD]}", {"sku_price": "P548.OD"}, 1),
        ("{kind: gpu}", "{resources: [i-1], skus: [P548]}", {"sku": "P548", "resource": "i-2"}, 0),
        ("{kind: gpu, model: 'NVIDIA L4'}", "{skus: [P548]}", {"sku": "P548"}, 0),
        ("{kind: gpu, host: other}", "{skus: [P548]}", {"sku": "P548"}, 0),
        ("{kind: gpu, region: us-east-1}", "{skus: [P548]}", {"sku": "P548"}, 0),
        ("{kind: gpu, name: GPU-1}", "{skus: [P548]}", {"sku": "P548"}, 1),
        ("{kind: cpu}", "{skus: [P548]}", {"sku": "P548"}, 0),
    ],
)
def test_fleet_yaml_says_which_charges_are_whose(match, bill, told, matched):
    wanted = claims((GPU,), "gpu-node-1", "", fleet(match, bill))

    assert compared([charge(**told)], wanted, [ledger_day("GPU-1")]).matched == matched


def test_a_nodes_charge_is_divided_as_the_ledger_divides_it_and_sums_to_the_picodollar():
    wanted = claims((GPU, SECOND, HOST), "gpu-node-1", "", None)
    ledger = [ledger_day("GPU-1", bill=2 * USD), ledger_day("GPU-2", bill=USD), ledger_day("gpu-node-1", bill=0)]
    made = compared([charge("10", resource="gpu-node-1")], wanted, ledger)

    assert [day.billed for day in made.days] == [6_666_666_666_667, 3_333_333_333_333]
    assert [day.device for day in made.unbilled] == ["gpu-node-1"]


def test_devices_without_a_price_share_by_time():
    wanted = claims((GPU, SECOND), "h", "", None)
    ledger = [ledger_day("GPU-1", bill=0, span=3 * 10**9), ledger_day("GPU-2", bill=0, span=10**9)]
    second = charge("8", resource="h", end_ns=100 * DAY_NS + 10**9)
    (one, two) = compared([second], wanted, ledger).days

    assert (one.billed, two.billed) == (6 * USD, 2 * USD)
    assert one.ratio is None


def test_a_commitment_that_nothing_used_is_of_no_device():
    made = compared(
        [charge("4", resource="h", commitment_status="Unused"), charge("5", resource="h", commitment_status="Used")],
        claims((GPU,), "h", "", None),
        [ledger_day("GPU-1")],
    )

    assert (made.unused, made.days[0].billed) == (4, 5 * USD)


def test_a_reservation_that_nothing_used_is_of_no_device_even_where_its_sku_is_claimed():
    wanted = claims((GPU,), "h", "", fleet("{kind: gpu}", "{skus: [S]}"))
    made = compared([charge("4", capacity_status="Unused"), charge("5")], wanted, [ledger_day("GPU-1")])

    assert (made.unused, made.days[0].billed) == (4, 5 * USD)


def test_a_charge_of_a_moment_counts_on_its_day_and_a_day_that_has_no_other_corrects_nothing():
    midnight = 101 * DAY_NS
    fee = charge("-3", resource="h", sku="CREDIT", begin_ns=midnight, end_ns=midnight)
    wanted, ledger = claims((GPU,), "h", "", None), [ledger_day("GPU-1", day=101)]

    assert [day.billed for day in compared([charge(resource="h", day=101), fee], wanted, ledger).days] == [7 * USD]
    alone = compared([fee], wanted, ledger)
    assert (alone.days, [day.billed for day in alone.partial]) == ((), [-3 * USD])


def test_a_month_to_date_that_stands_in_two_files_is_refused():
    """Azure's and AWS's exports of each day begin with the first of the month, unless they overwrite each other."""
    first = [charge(str(9 + day), resource="h", day=day, file="monday") for day in (100, 101)]
    second = [charge(str(9 + day), resource="h", day=day, file="tuesday") for day in (100, 101, 102)]
    wanted = claims((GPU,), "h", "", None)

    with pytest.raises(BillError, match="tuesday: 2 of its 3 charges for devices here stand in monday, too"):
        compared(first + second, wanted, [])
    # Two alike of one file are two, what costs nothing is nothing, and a part of a file may be a coincidence.
    free = [charge("0", resource="h", file=file) for file in ("monday", "tuesday")]
    assert compared(first[:1] * 2 + second[1:] + second[:1] + free, wanted, []).matched == 7


def test_a_credit_lowers_what_was_billed_and_has_no_part_of_the_ledger():
    made = compared(
        [charge("10", resource="h"), charge("-3", resource="h", sku="CREDIT")],
        claims((GPU,), "h", "", None),
        [ledger_day("GPU-1", bill=8 * USD)],
    )

    assert made.days[0].correction == -USD
    assert {line.sku: line.ledger for line in made.days[0].lines} == {"S": 8 * USD, "CREDIT": 0}


def test_days_on_which_only_one_of_both_knows_something_are_shown():
    made = compared(
        [charge(resource="h", day=100), charge(resource="h", day=102), charge(resource="h", day=103)],
        claims((GPU,), "h", "", None),
        [ledger_day("GPU-1", day=day) for day in (99, 100, 101, 102, 104)],
    )

    assert [day.ledger.day for day in made.days] == [100, 102]
    assert made.unknown == ((103, 10 * USD),)
    assert [day.day for day in made.unbilled] == [101]


def test_a_day_of_which_the_ledger_knows_less_than_was_billed_corrects_nothing():
    """The sidecar was first started at noon: half a day beside the bill of a whole one is no price."""
    hours = [
        charge("10", resource="h", sku=sku, begin_ns=100 * DAY_NS + n * HOUR, end_ns=100 * DAY_NS + (n + 1) * HOUR)
        for n in range(24)
        for sku in ("GPU", "CPU", "RAM")
    ]
    wanted = claims((GPU,), "h", "", None)
    half, whole = (compared(hours, wanted, [ledger_day("GPU-1", span=n * HOUR)]) for n in (12, 23))

    assert (half.days, [day.covered for day in half.partial]) == ((), [False])
    assert (half.partial[0].billed, half.partial[0].billed_ns) == (720 * USD, DAY_NS)
    assert (len(whole.days), whole.partial) == (1, ())


def test_a_device_that_was_billed_for_less_than_the_ledger_knows_is_corrected():
    """Stopped at noon: the ledger went on at the list price, the cloud did not."""
    made = compared(
        [charge("5", resource="h", end_ns=100 * DAY_NS + 12 * HOUR)],
        claims((GPU,), "h", "", None),
        [ledger_day("GPU-1")],
    )

    assert [day.correction for day in made.days] == [-3 * USD]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), min_size=1, max_size=400))
def test_time_that_several_charges_are_for_counts_once(stretches):
    periods, seconds = Periods(), set()
    for begin, length in stretches:
        periods.add(begin, begin + length)
        seconds.update(range(begin, begin + length))

    assert periods.length == len(seconds)


def test_however_many_charges_there_are_few_stretches_are_kept():
    periods = Periods()
    for second in range(86_400):
        periods.add(second, second + 1)

    assert periods.length == 86_400
    assert len(periods._known) <= 257


amounts = st.decimals(min_value=-1000, max_value=10_000, places=15)


@given(
    st.lists(st.tuples(amounts, st.integers(100, 103), st.integers(1, 40), st.sampled_from("ABC")), max_size=20),
    st.lists(
        st.tuples(
            st.sampled_from(["GPU-1", "GPU-2"]), st.integers(99, 106), st.integers(0, 10**15), st.integers(1, DAY_NS)
        ),
        max_size=12,
    ),
)
def test_every_matched_dollar_is_on_one_day_of_one_device_or_told_as_unknown(bill, ledger):
    """A charge that spans days is split by time; rounding to picodollars happens once for each SKU and day."""
    found = [charge(str(usd), day=day, days=days, sku=sku, resource="h") for usd, day, days, sku in bill]
    days = {(device, day): ledger_day(device, day=day, bill=cost, span=span) for device, day, cost, span in ledger}
    made = compared(found, claims((GPU, SECOND), "h", "", None), list(days.values()))

    shown = sum(day.billed for day in (*made.days, *made.partial)) + sum(cost for _, cost in made.unknown)
    lines = 3 * 60
    assert abs(shown - sum((usd for usd, *_ in bill), Decimal(0)) * USD) <= lines
    assert all(day.correction == day.billed - day.ledger.bill for day in made.days)
