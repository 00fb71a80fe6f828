"""inferometer cost true-up, from a recorder's file and a bill to the series that the sidecar shows."""

import csv
import gzip
import io
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from inferometer.catalog import devices
from inferometer_exporters import bill_corrections
from inferometer_exporters.bill_corrections import BillCorrections
from inferometer_exporters.recorder.ledger_days import DAY_NS, HOUR_NS
from inferometer_exporters.recorder.store import Recorder

DATA = Path(__file__).parents[2] / "data/focus"
FIFTH = 20_731 * DAY_NS
GPUS = 8


def entry(names, wall, span, bill):
    count = len(names)
    kinds = ["cpu", *["gpu"] * (count - 1)]
    return {
        "wall_ns": np.full(count, wall),
        "device": np.array(names, np.int64),
        "state": np.array(["attributed"] * count, object),
        "ns": np.full(count, span),
        "span_ns": np.full(count, span),
        "bill": np.array([0, *[bill] * (count - 1)]),
        "idle_cost": np.zeros(count, np.int64),
        "picodollars_per_hour": np.full(count, 10**12),
        "price_kind": np.array(["on_demand"] * count, object),
        "price_source": np.array(["builtin:aws:p5.48xlarge"] * count, object),
        "price_as_of": np.array(["2026-07-20"] * count, object),
        "kind": np.array(kinds, object),
        "model": np.array(["NVIDIA H100 80GB HBM3"] * count, object),
    }


@pytest.fixture
def state(tmp_path):
    """A recorder of a host with eight H100 at 6.88 dollars, from the beginning of 2026-10-05 to its end."""

    def made(host, begins=0):
        folder = tmp_path / host
        recorder = Recorder(folder / "recorder.duckdb")
        names = [recorder.names.number((name,)) for name in (host, *(f"GPU-{n}" for n in range(GPUS)))]
        for number, hour in enumerate((begins, (begins + 24) // 2, 24), 1):
            wall, hours = FIFTH + hour * HOUR_NS - (1 if hour == 24 else 0), hour - begins
            recorder.write(number, {"ledger": entry(names, wall, hours * HOUR_NS, hours * 6_880_000_000_000)})
        recorder.close()
        return folder

    return made


def true_up(*arguments, code=0):
    command = [sys.executable, "-m", "inferometer_compose", "cost", "true-up", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


@pytest.mark.parametrize(
    ("name", "host", "usd", "further"),
    [
        ("aws-1.0.csv", "gpu-aws", 12 * 31.5 + 12 * 55.04, ()),
        ("azure-1.2.csv", "gpu-azure", 235.2 * 1.25, ("--rate", "EUR=1.25")),
        ("google-1.0.csv", "gpu-gcp", (80.03 + 6.4 + 2.05) * 24 - 100, ()),
        ("oracle-1.0.csv", "gpu-oracle", 1920.0, ()),
    ],
)
def test_each_providers_bill_is_compared_by_day_and_device_and_corrected(state, name, host, usd, further):
    folder = state(host)
    bill = ("--bill", DATA / name, "--recorder", folder / "recorder.duckdb", *further)
    found = json.loads(true_up(*bill, "--json")[0])

    assert found["ledger_usd"] == pytest.approx(55.04 * 24)
    assert found["billed_usd"] == pytest.approx(usd)
    assert found["correction_usd"] == pytest.approx(usd - 55.04 * 24)
    assert {day["device"] for day in found["days"]} == {f"GPU-{n}" for n in range(GPUS)}
    assert {day["day"] for day in found["days"]} == {"2026-10-05"}
    readings = {(one.entry.name, one.labels): one.value for one in BillCorrections(folder).read()}
    correction = readings[devices.BILL_CORRECTION.name, ("GPU-3", "2026-10-05")] / 1e12
    assert correction == pytest.approx((usd - 55.04 * 24) / GPUS)
    assert readings[devices.BILL_RATIO.name, ("GPU-3",)] == pytest.approx(usd / (55.04 * 24))


@pytest.mark.slow
def test_the_screen_the_rows_and_the_object_say_the_same(state):
    folder = state("gpu-aws")
    bill = ("--bill", DATA / "aws-1.0.csv", "--recorder", folder / "recorder.duckdb", "--dry-run")
    shown = true_up(*bill)[0]
    rows = list(csv.DictReader(io.StringIO(true_up(*bill, "--csv")[0])))
    whole = json.loads(true_up(*bill, "--json")[0])

    assert not (folder / bill_corrections.FILE_NAME).exists()
    assert sum(float(row["billed_usd"]) for row in rows) == pytest.approx(whole["billed_usd"])
    assert sum(float(row["ledger_usd"]) for row in rows) == pytest.approx(whole["ledger_usd"])
    assert {row["pricing_category"] for row in rows} == {"Committed", "Standard"}
    assert "ledger $1,320.96   bill $1,038.48   correction -$282.48, 0.786 of the ledger" in shown
    assert "$4.25 of commitments and reservations that nothing used" in shown
    assert "not for devices here: Amazon Simple Storage Service, 1 charge, $0.02" in shown
    assert "gpu-aws is not in the bill" not in shown


def test_columns_sum_to_the_whole_as_they_are_shown_and_each_row_is_a_difference(state):
    """Eight times 254.016 / 8 dollars: rounded one by one they would come to 254.00."""
    folder = state("gpu-azure")
    bill = ("--bill", DATA / "azure-1.2.csv", "--rate", "EUR=1.08", "--dry-run")
    shown = true_up(*bill, "--recorder", folder / "recorder.duckdb")[0].splitlines()
    rows = [[Decimal(cell.replace("$", "").replace(",", "")) for cell in line.split()[2:5]] for line in shown[1:9]]
    sums = [sum(column) for column in zip(*rows, strict=True)]

    assert sums == [Decimal("1320.96"), Decimal("254.02"), Decimal("-1066.94")]
    assert all(billed - ledger == correction for ledger, billed, correction in rows)
    assert "  ledger $1,320.96   bill $254.02   correction -$1,066.94, 0.192 of the ledger" in shown


def test_a_folder_of_many_small_files_is_one_bill_and_the_same_file_twice_is_refused(state, tmp_path):
    """As Oracle writes it: a file every six hours."""
    folder, exports = state("gpu-oracle"), tmp_path / "FOCUS Reports"
    header, *lines = (DATA / "oracle-1.0.csv").read_text().splitlines(keepends=True)
    for hour in range(0, len(lines), 6):
        part = exports / f"2026/10/05/0001-{hour:05}.csv.gz"
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(gzip.compress((header + "".join(lines[hour : hour + 6])).encode()))
    bill = ("--recorder", folder / "recorder.duckdb", "--dry-run", "--json", "--bill", exports)

    assert json.loads(true_up(*bill)[0])["billed_usd"] == pytest.approx(1920.0)
    _, said = true_up(*bill, "--bill", DATA / "oracle-1.0.csv", code=2)
    assert "oracle-1.0.csv: 24 of its 24 charges for devices here stand in" in said


@pytest.mark.slow
def test_a_second_bill_of_the_same_day_stands_in_the_place_of_the_first(state):
    folder = state("gpu-aws")
    bill = ("--bill", DATA / "aws-1.0.csv", "--recorder", folder / "recorder.duckdb")
    true_up(*bill)
    true_up(*bill, "--cost", "list")
    found = bill_corrections.read(folder / bill_corrections.FILE_NAME)

    assert len(found) == GPUS
    assert {one.cost for one in found} == {"list"}
    assert sum(one.billed for one in found) == 24 * 55_040_000_000_000


def test_a_bill_of_somebody_else_finds_nothing_and_says_how_to_name_resources(state):
    folder = state("elsewhere")
    _, said = true_up("--bill", DATA / "aws-1.0.csv", "--recorder", folder / "recorder.duckdb", code=1)

    assert "none of the 26 charges is for a device of this ledger (host elsewhere)" in said
    assert "--config" in said
    assert not (folder / bill_corrections.FILE_NAME).exists()


def test_the_day_on_which_the_sidecar_was_first_started_corrects_nothing(state):
    """Four hours of a ledger beside the bill of a day: whoever multiplied by that would pay six times as much."""
    folder = state("gpu-aws", begins=20)
    found, said = true_up("--bill", DATA / "aws-1.0.csv", "--recorder", folder / "recorder.duckdb", code=1)

    assert (
        "2026-10-05: GPU-3 was billed for 24 h, $129.8100, and the ledger knows 4 h, $27.5200: no correction" in found
    )
    assert "nothing is corrected: of no day does the ledger know the time that was billed" in said
    assert not (folder / bill_corrections.FILE_NAME).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--bill", DATA / "azure-1.2.csv"), "line 2: BillingCurrency is 'EUR'"),
        (("--bill", "nowhere.csv"), "nowhere.csv: cannot be read"),
        (("--bill", DATA / "aws-1.0.csv", "--rate", "euro=1"), "--rate 'euro=1': a currency and what one of it"),
        (("--bill", DATA / "aws-1.0.csv", "--rate", "USD=2"), "--rate 'USD=2'"),
        (("--bill", DATA / "aws-1.0.csv", "--state", "/nowhere"), "state folder /nowhere is not here"),
        (("--bill", DATA / "aws-1.0.csv", "--json", "--csv"), "--json or --csv: one of them is right"),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(state, arguments, message):
    folder = state("gpu-azure")
    _, said = true_up(*arguments, "--recorder", folder / "recorder.duckdb", code=2)

    assert message in said
    assert "Traceback" not in said
    assert [path.name for path in folder.iterdir() if "correct" in path.name] == []
