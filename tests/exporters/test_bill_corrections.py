"""The corrections of bills: written in one step, read by the sidecar, never in the way of the rest."""

import json
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.catalog import devices
from inferometer.errors import StateError
from inferometer_exporters import bill_corrections
from inferometer_exporters.bill_corrections import FILE_NAME, KEPT_DAYS, SHOWN_DAYS, BillCorrections, Correction
from inferometer_exporters.ledger_api import date
from inferometer_exporters.sidecar import Sidecar
from inferometer_exporters.source import Sampler

TODAY = 20_000


def correction(day=TODAY, device="GPU-1", ledger=10, billed=7):
    return Correction(device=device, day=date(day), ledger=ledger, billed=billed, bill="b.csv", cost="effective")


def values(folder):
    return {(one.entry.name, one.labels): one.value for one in BillCorrections(folder).read()}


def test_what_is_written_is_read_and_shown(tmp_path):
    bill_corrections.write(tmp_path / FILE_NAME, [correction(), correction(TODAY + 1, billed=16)])

    assert bill_corrections.read(tmp_path / FILE_NAME) == (correction(), correction(TODAY + 1, billed=16))
    assert values(tmp_path) == {
        (devices.BILL_CORRECTION.name, ("GPU-1", date(TODAY))): -3,
        (devices.BILL_CORRECTION.name, ("GPU-1", date(TODAY + 1))): 6,
        (devices.BILL_RATIO.name, ("GPU-1",)): 23 / 20,
    }


def test_without_a_file_there_is_nothing_to_show(tmp_path):
    assert values(tmp_path) == {}


def test_a_device_that_the_ledger_has_no_cost_of_has_no_ratio(tmp_path):
    bill_corrections.write(tmp_path / FILE_NAME, [correction(ledger=0)])

    assert values(tmp_path) == {(devices.BILL_CORRECTION.name, ("GPU-1", date(TODAY))): 7}


def test_only_the_newest_two_months_are_series(tmp_path):
    bill_corrections.write(tmp_path / FILE_NAME, [correction(TODAY + day) for day in range(100)])
    shown = {labels[1] for name, labels in values(tmp_path) if name == devices.BILL_CORRECTION.name}

    assert shown == {date(TODAY + day) for day in range(100 - SHOWN_DAYS, 100)}


def test_a_file_that_changes_or_goes_is_seen_at_the_next_reading(tmp_path):
    path, source = tmp_path / FILE_NAME, BillCorrections(tmp_path)
    bill_corrections.write(path, [correction()])
    assert len(list(source.read())) == 2
    bill_corrections.write(path, [correction(), correction(TODAY + 1)])
    assert len(list(source.read())) == 3
    path.unlink()
    assert list(source.read()) == []


GOOD = {"device": "d", "day": "2026-10-01", "ledger": 1, "billed": 1, "bill": "", "cost": ""}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        json.dumps({"format": 2, "corrections": []}),
        json.dumps({"format": 1, "corrections": [{}]}),
        json.dumps({"format": 1, "corrections": [GOOD | {"day": "yesterday"}]}),
        json.dumps({"format": 1, "corrections": [GOOD | {"ledger": 1.5}]}),
    ],
)
def test_a_file_that_is_something_else_is_an_error_of_its_source_and_of_nothing_else(tmp_path, text, until):
    path = tmp_path / FILE_NAME
    path.write_text(text)
    with pytest.raises(StateError, match=FILE_NAME):
        bill_corrections.read(path)
    sampler = Sampler([BillCorrections(tmp_path)], period=0.01)
    sampler.start()
    try:
        until(lambda: dict(sampler.errors())["bill"] > 0)
        assert sampler.readings() == []
    finally:
        sampler.close()


def test_a_folder_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    with pytest.raises(StateError, match="cannot be written"):
        bill_corrections.write(tmp_path / "none" / FILE_NAME, [correction()])

    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(StateError, match="cannot be written"):
        bill_corrections.write(tmp_path / FILE_NAME, [correction()])
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


days = st.lists(st.tuples(st.integers(TODAY, TODAY + 2 * KEPT_DAYS), st.sampled_from("ab"), st.integers(-9, 9)))


@given(days, days)
def test_a_later_bill_of_a_day_stands_in_the_place_of_the_earlier_and_the_oldest_go(known, new):
    before = bill_corrections.merged((), [correction(day, device, 1, cost) for day, device, cost in known])
    merged = bill_corrections.merged(before, [correction(day, device, 1, cost) for day, device, cost in new])
    expected = {(date(day), device): cost for day, device, cost in (*known, *new)}
    newest = max((day for day, *_ in (*known, *new)), default=0)

    assert {(one.day, one.device): one.billed for one in merged} == {
        key: cost for key, cost in expected.items() if key[0] > date(max(newest - KEPT_DAYS, 0))
    }
    assert list(merged) == sorted(merged, key=lambda one: (one.day, one.device))


def test_the_file_is_plain_json_that_people_can_read(tmp_path):
    bill_corrections.write(tmp_path / FILE_NAME, [correction()])

    assert json.loads((tmp_path / FILE_NAME).read_text())["corrections"][0]["day"] == "2024-10-04"


def test_a_sidecar_tells_the_days_of_its_ledger_and_shows_what_a_bill_corrects(tmp_path, until, settings, get):
    sidecar = Sidecar(settings(tmp_path))
    thread = threading.Thread(target=sidecar.run)
    thread.start()
    try:
        url = f"http://127.0.0.1:{sidecar.api_port}"
        until(lambda: json.loads(get(f"{url}/api/ledger/days"))["days"])
        answer = json.loads(get(f"{url}/api/ledger/days"))
        (day,) = {one["day"] for one in answer["days"][-1:]}
        folder = Path(answer["recorder"]).parent
        bill_corrections.write(folder / FILE_NAME, [correction(device="box", ledger=10**13, billed=7 * 10**12)])
        page = f"http://127.0.0.1:{sidecar.page.port}/metrics"
        until(lambda: devices.BILL_CORRECTION.name in get(page))
        shown = get(page)
    finally:
        sidecar.stop()
        thread.join(10)

    assert (folder, answer["host"]) == (tmp_path / "state", "box")
    assert all(one["kind"] == "cpu" and one["span_ns"] > 0 for one in answer["days"] if one["device"] == "box")
    assert day >= "2026"
    assert 'device_bill_correction_usd{device="box",day="2024-10-04"} -3.0' in shown
    assert 'device_bill_correction_ratio{device="box"} 0.7' in shown
