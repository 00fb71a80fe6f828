"""Days of devices: they sum to the ledger, also after its entries are gone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer_exporters.recorder import ledger_days
from inferometer_exporters.recorder.ledger_days import DAY_NS, HOUR_NS, DeviceDay, Entry, days, sums
from inferometer_exporters.recorder.store import Bounds, Recorder

SECOND = 10**9
NOON = 20_000 * DAY_NS + 12 * HOUR_NS


def entry(device, wall_ns, span, bill, price=10**12):
    """Rows of one entry of the ledger: two states, as the ledger has more than one."""
    return {
        "wall_ns": np.full(2, wall_ns),
        "device": np.full(2, device, np.int64),
        "state": np.array(["attributed", "warm_idle"], object),
        "ns": np.array([0, span]),
        "span_ns": np.full(2, span),
        "bill": np.full(2, bill),
        "idle_cost": np.full(2, bill),
        "picodollars_per_hour": np.full(2, price),
        "price_kind": np.array(["spot"] * 2, object),
        "price_source": np.array(["list"] * 2, object),
        "price_as_of": np.array(["2026-10-01"] * 2, object),
        "kind": np.array(["gpu"] * 2, object),
        "model": np.array(["NVIDIA L4"] * 2, object),
    }


@pytest.fixture
def recorder(tmp_path):
    made = Recorder(tmp_path / "r.duckdb", Bounds(max_age_ns=DAY_NS))
    yield made
    made.close()


def write(recorder, entries):
    """Entries in passes of their own; the numbers of the passes go on."""
    device = recorder.names.number(("gpu-host",))
    for number, (wall_ns, span, bill, *price) in enumerate(entries, recorder._newest() + 1):
        recorder.write(number, {"ledger": entry(device, wall_ns, span, bill, *price)})


def found(recorder):
    cursor = recorder.cursor()
    try:
        return days(cursor)
    finally:
        cursor.close()


def test_time_around_midnight_is_split_at_midnight(recorder):
    write(recorder, [(NOON + 11 * HOUR_NS, HOUR_NS, 100), (NOON + 14 * HOUR_NS, 4 * HOUR_NS, 400)])

    assert found(recorder) == [
        DeviceDay(device="gpu-host", kind="gpu", model="NVIDIA L4", day=20_000, span=2 * HOUR_NS, unpriced=0, bill=200),
        DeviceDay(device="gpu-host", kind="gpu", model="NVIDIA L4", day=20_001, span=2 * HOUR_NS, unpriced=0, bill=200),
    ]


@pytest.mark.broad
def test_days_are_the_same_when_the_ledgers_entries_are_trimmed_again_and_again(recorder):
    entries = [(NOON + n * 600 * SECOND, n * 600 * SECOND, n * 7) for n in range(1, 6 * 24 * 3)]
    write(recorder, entries)
    before = found(recorder)
    for hours in range(0, 96, 5):
        recorder.trim(NOON + hours * HOUR_NS)

    assert recorder.cursor().execute("select count(*) from ledger").fetchall()[0][0] < 2 * 200
    assert found(recorder) == before
    assert sum(day.bill for day in before) == entries[-1][2]
    kept = recorder.cursor().execute("select count(*) from ledger_hours").fetchall()[0][0]
    assert kept < 80


def test_an_account_that_began_anew_begins_at_zero_also_in_what_is_kept(recorder):
    write(
        recorder,
        [
            (NOON, HOUR_NS, 50),
            (NOON + HOUR_NS // 4, HOUR_NS + HOUR_NS // 4, 60),
            (NOON + HOUR_NS // 2, HOUR_NS // 8, 5),
        ],
    )
    before = found(recorder)
    recorder.trim(NOON + 3 * DAY_NS)

    assert sum(day.bill for day in before) == 65
    assert found(recorder) == before


def test_what_was_spent_before_the_first_entry_that_is_known_is_of_no_day(recorder):
    write(recorder, [(NOON, 40 * DAY_NS, 10**15), (NOON + HOUR_NS, 40 * DAY_NS + HOUR_NS, 10**15 + 3)])

    assert [(day.day, day.bill) for day in found(recorder)] == [(20_000, 3)]


def test_time_without_a_price_is_told_apart(recorder):
    write(recorder, [(NOON, HOUR_NS, 0, -1), (NOON + HOUR_NS, 2 * HOUR_NS, 9)])

    (day,) = found(recorder)
    assert (day.span, day.unpriced, day.bill) == (2 * HOUR_NS, HOUR_NS, 9)


def test_what_is_older_than_the_longest_bill_goes(recorder):
    write(recorder, [(NOON, HOUR_NS, 10), (NOON + 2 * HOUR_NS, 3 * HOUR_NS, 30)])
    recorder.trim(NOON + 3 * DAY_NS)
    recorder.trim(NOON + ledger_days.KEPT_NS + HOUR_NS)
    assert len(recorder.cursor().execute("select * from ledger_hours").fetchall()) == 2

    write(recorder, [(NOON + ledger_days.KEPT_NS, ledger_days.KEPT_NS, 10**6)])
    recorder.trim(NOON + ledger_days.KEPT_NS + DAY_NS + HOUR_NS)

    walls = recorder.cursor().execute("select wall_ns from ledger_hours order by 1").fetchall()
    assert walls == [(NOON + ledger_days.KEPT_NS,)]


steps = st.lists(
    st.tuples(st.integers(-HOUR_NS, 3 * DAY_NS), st.integers(0, 3 * DAY_NS), st.integers(0, 10**18)), max_size=30
)


@given(steps)
def test_days_sum_to_what_the_account_says_whatever_the_clock_does(steps):
    entries, wall, span, bill = [Entry(NOON, 0, 0, priced=True)], NOON, 0, 0
    for wall_step, span_step, bill_step in steps:
        wall, span, bill = wall + wall_step, span + span_step, bill + bill_step
        entries.append(Entry(wall, span, bill, priced=True))

    made = list(sums(entries).values())

    assert [sum(part) for part in zip(*made, strict=True)] == ([span, 0, bill] if made else [])
    assert all(part >= 0 for day in made for part in day)
