"""FOCUS exports of four providers, as CSV, gzip and Parquet; what is wrong is named by file, place and value."""

import csv
import gzip
import tracemalloc
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from inferometer_compose.bill.costs import Cost
from inferometer_compose.bill.files import files
from inferometer_compose.bill.focus import Reading, charges, tags
from inferometer_compose.bill.table import BillError, opened

DATA = Path(__file__).parents[2] / "data/focus"
RATES = {"EUR": Decimal("1.25")}
DAY = 86_400 * 10**9
FIFTH = 20_731 * DAY  # 2026-10-05


def read(path, cost=Cost.EFFECTIVE, rates=RATES):
    with opened(path) as table:
        return list(charges(table, Reading(cost=cost, rates=rates)))


@pytest.mark.parametrize(
    ("name", "effective", "billed", "resource"),
    [
        ("aws-1.0.csv", "1042.753", "660.503", "i-0123456789abcdef0"),
        ("azure-1.2.csv", "294.000015", "294.000015", "GPU-Azure"),
        ("google-1.0.csv", "2023.52", "2023.52", "gpu-gcp"),
        ("oracle-1.0.csv", "1920", "1920", "ocid1.instance.oc1.iad.anuwcljt1"),
    ],
)
def test_each_providers_export_is_read_to_the_last_decimal(name, effective, billed, resource):
    found = read(DATA / name)

    assert sum(charge.usd for charge in found) == Decimal(effective)
    assert sum(charge.usd for charge in read(DATA / name, Cost.BILLED)) == Decimal(billed)
    assert found[0].resource.endswith(resource)
    assert found[0].begin_ns == FIFTH
    assert all(FIFTH <= charge.begin_ns < charge.end_ns <= FIFTH + DAY for charge in found)


def as_parquet(path, columns="*", bill="google-1.0.csv"):
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select {columns} from read_csv('{DATA / bill}', all_varchar=true)) "  # noqa: S608 - ours
            f"to '{path}' (format parquet)"
        )
    return path


def test_a_parquet_file_with_real_types_says_the_same_as_the_csv(tmp_path):
    typed = """* replace (BilledCost::double as BilledCost, EffectiveCost::decimal(18,6) as EffectiveCost,
        replace(ChargePeriodStart, ' UTC', '')::timestamp as ChargePeriodStart,
        replace(ChargePeriodEnd, ' UTC', '')::timestamp as ChargePeriodEnd,
        map(['team'], ['inference']) as Tags)"""
    found = read(as_parquet(tmp_path / "bill.bin", typed))
    expected = read(DATA / "google-1.0.csv")

    assert [(c.begin_ns, c.end_ns, c.usd, c.sku, c.resource) for c in found] == [
        (c.begin_ns, c.end_ns, c.usd, c.sku, c.resource) for c in expected
    ]
    assert tags(found[0].tags) == tags(expected[0].tags) == {"team": "inference"}


TIMES = ("ChargePeriodStart", "ChargePeriodEnd")


def typed(cost, time, **columns):
    """SQL of a bill whose costs and times have these types."""
    wanted = {"BilledCost": f"BilledCost::{cost}", "EffectiveCost": f"EffectiveCost::{cost}"}
    wanted |= {name: f"replace({name}, ' UTC', '+00')::{time}" for name in TIMES} | columns
    return "* replace (" + ", ".join(f"{sql} as {name}" for name, sql in wanted.items()) + ")"


@pytest.mark.parametrize(
    ("bill", "columns"),
    [
        ("aws-1.0.csv", typed("double", "timestamp", Tags="map(['user:Name'], ['gpu-aws'])")),
        ("azure-1.2.csv", typed("decimal(38, 18)", "timestamp")),
        ("google-1.0.csv", typed("decimal(38, 9)", "timestamptz", Tags="[{'key': 'team', 'value': 'inference'}]")),
        ("oracle-1.0.csv", typed("varchar", "varchar")),
    ],
)
def test_each_providers_export_as_parquet_says_the_same_as_the_csv(tmp_path, bill, columns):
    """With the types of each: maps of tags, decimals, times with a zone, BigQuery's list of keys and values."""
    worth = {"rates": {"EUR": Decimal("1.08")}}
    found = read(as_parquet(tmp_path / "bill", columns, bill), **worth)
    expected = read(DATA / bill, **worth)

    assert [(c.begin_ns, c.end_ns, c.usd, c.sku, c.resource) for c in found] == [
        (c.begin_ns, c.end_ns, c.usd, c.sku, c.resource) for c in expected
    ]
    first = tags(found[0].tags)
    assert first
    assert first.items() <= tags(expected[0].tags).items()


def test_a_time_with_a_zone_in_a_parquet_file_is_utc(tmp_path):
    typed = "* replace (replace(ChargePeriodStart, ' UTC', '+00')::timestamptz as ChargePeriodStart)"

    assert read(as_parquet(tmp_path / "bill.parquet", typed))[0].begin_ns == FIFTH


def test_a_gzipped_file_is_read_whatever_it_is_called(tmp_path):
    path = tmp_path / "bill.dat"
    path.write_bytes(gzip.compress((DATA / "oracle-1.0.csv").read_bytes()))

    assert read(path) == read(DATA / "oracle-1.0.csv")


def test_names_of_columns_are_found_without_case_and_underscores(tmp_path):
    lines = (DATA / "oracle-1.0.csv").read_text().splitlines(keepends=True)
    path = tmp_path / "bill.csv"
    path.write_text(lines[0].replace("BilledCost", "billed_cost").replace("RegionId", "regionid") + "".join(lines[1:]))

    assert read(path) == read(DATA / "oracle-1.0.csv")


HEADER = "BilledCost,EffectiveCost,ListCost,ChargePeriodStart,ChargePeriodEnd,ServiceName,ResourceId,BillingCurrency\n"
GOOD = "1,1,1,2026-10-05T00:00:00Z,2026-10-06T00:00:00Z,Compute,vm,USD\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER.replace("BillingCurrency", "Currency"), "no column BillingCurrency: a FOCUS export has it"),
        (HEADER.replace("EffectiveCost", "Effective"), "no column EffectiveCost"),
        (HEADER.replace("ResourceId", "Thing"), "no column ResourceId, ResourceName, SkuId or SkuPriceId"),
        (HEADER + GOOD + GOOD.replace("1,1,1", "1,dear,1"), "line 3: EffectiveCost is 'dear': a number such as 12.5"),
        (HEADER + GOOD.replace("1,1,1", "1,,1"), "line 2: EffectiveCost is '': .* --cost billed takes BilledCost"),
        (HEADER + GOOD.replace("1,1,1", "1,NaN,1"), "line 2: EffectiveCost is 'NaN'"),
        (HEADER + GOOD.replace("1,1,1", '1,"1,5",1'), "line 2: EffectiveCost is '1,5': a number such as 12.5"),
        (HEADER + GOOD.replace("USD", "GBP"), "line 2: BillingCurrency is 'GBP': USD is read here.*--rate GBP=1.08"),
        (HEADER + GOOD.replace("2026-10-05T", "5.10.2026 "), "ChargePeriodStart is '5.10.2026 00:00:00Z': a time such"),
        (HEADER + GOOD.replace("10-06T", "10-04T"), "ChargePeriodEnd is .*: after ChargePeriodStart"),
        (HEADER + GOOD.replace("2026-10-06T", "2036-10-06T"), "by at most 2196 days is right"),
        (HEADER + "1,2,3\n", "line 2: 3 values, but there are 8 columns"),
        (HEADER + GOOD.replace("vm", '"v\nm"') + "1,x" + GOOD[3:], "line 4: EffectiveCost is 'x'"),
        (HEADER + '1,1,1,"never closed', "line 2: this is no CSV"),
        ("", "line 1: this is no header of a CSV file"),
        ("hello\n", "line 1: this is no header of a CSV file"),
    ],
)
def test_what_is_wrong_is_named_by_file_line_column_and_value(tmp_path, text, message):
    path = tmp_path / "bill.csv"
    path.write_text(text)

    with pytest.raises(BillError, match=message) as error:
        read(path)

    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    "content",
    [b"PAR1 and then nothing of the kind", gzip.compress(b"x" * 1000)[:30], b"\xff\xfe\x00", b"PAR1"],
    ids=["no parquet", "half a gzip", "no text", "only a magic"],
)
def test_a_file_that_is_something_else_is_refused_by_name(tmp_path, content):
    path = tmp_path / "bill"
    path.write_bytes(content)

    with pytest.raises(BillError, match="bill"):
        read(path)


def test_a_value_in_a_parquet_file_is_named_by_its_row(tmp_path):
    typed = "* replace (case when SkuId = 'A1B2-CPU' then 'lots' else EffectiveCost end as EffectiveCost)"

    with pytest.raises(BillError, match="row 3: EffectiveCost is 'lots'"):
        read(as_parquet(tmp_path / "bill.parquet", typed))


@pytest.mark.slow
def test_a_long_bill_is_read_in_little_memory(tmp_path):
    path = tmp_path / "bill.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER.strip().split(","))
        for number in range(100_000):
            hour = f"2026-10-05T{number % 24:02}"
            writer.writerow([1, 1, 1, f"{hour}:00:00Z", f"{hour}:59:59Z", "Compute", f"vm-{number}", "USD"])
    tracemalloc.start()
    with opened(path) as table:
        total = sum(charge.usd for charge in charges(table, Reading(rates={})))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert total == 100_000
    assert peak < 8 << 20


def test_a_charge_of_a_moment_or_of_three_years_stops_no_bill(tmp_path):
    path = tmp_path / "bill.csv"
    moment = GOOD.replace("2026-10-06T", "2026-10-05T")
    path.write_text(HEADER + moment + GOOD.replace("2026-10-06T", "2029-10-05T"))
    first, second = read(path)

    assert (first.begin_ns, first.end_ns, second.end_ns) == (FIFTH, FIFTH, FIFTH + 1096 * DAY)


def test_what_was_reserved_and_not_used_is_known_as_that(tmp_path):
    path = tmp_path / "bill.csv"
    status = HEADER.strip() + ",CapacityReservationStatus\n"
    path.write_text(status + "".join(f"{GOOD.strip()},{told}\n" for told in ("Unused", "Used", "")))

    assert [charge.unused for charge in read(path)] == [True, False, False]


def test_a_folder_stands_for_all_exports_in_it_and_for_nothing_else(tmp_path):
    names = ["2026/10/05/b.csv.gz", "2026/10/05/a.CSV", "BILLING_PERIOD=2026-10/part-00001.snappy.parquet"]
    others = ["manifest.json", "_SUCCESS", "2026/.a.csv.crc", "_temporary/c.csv"]
    for name in (*names, *others):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    assert files([tmp_path, Path("x")]) == (*(tmp_path / name for name in sorted(names)), Path("x"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BillError, match=r"empty: no file in it ends in .csv, .csv.gz or .parquet"):
        files([tmp_path / "empty"])
