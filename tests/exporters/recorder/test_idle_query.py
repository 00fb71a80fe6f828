"""When devices stood idle, against a day whose gaps are known."""

import pytest

from inferometer_exporters.recorder.idle_query import idle_report
from inferometer_exporters.recorder.ledger_hours import HOUR_NS


@pytest.fixture
def worker(make):
    return make.worker()


@pytest.fixture
def day(bench, make, worker):
    """Passes of a second: ``day("bbi…")`` busy (0.4 s) or idle; ``long`` skips time in which a worker tells nothing."""
    ids = make.ids()

    def seconds(pattern):
        for one in pattern:
            now, span = bench.clock.now, next(ids)
            busy = one == "b"
            frame = worker.arrival(
                now + make.SECOND,
                requests=[make.request(span, now, now + 400 * make.MS, trace=span)] if busy else (),
                executes=[make.execute(span, now, now + 400 * make.MS)] if busy else (),
                gauges={"model_loads": [["minilm", make.SECOND]]} if one == "l" else None,
            )
            bench.do_pass(frame, seconds=1)

    return seconds


def asked(bench, **more):
    cursor = bench.recorder.cursor()
    try:
        return idle_report(cursor, **more)
    finally:
        cursor.close()


def test_gaps_are_the_stretches_in_which_nothing_ran(bench, day, make):
    begin = bench.clock.wall()
    day("biiibbiiiiib")
    (device,) = asked(bench)["devices"]

    assert device["gaps"] == 2
    assert [gap["seconds"] for gap in device["longest"]] == [5.0, 3.0]
    assert [gap["begin_seconds"] - begin / make.SECOND for gap in device["longest"]] == pytest.approx([6, 1])
    assert {gap["state"] for gap in device["longest"]} == {"warm_idle"}
    assert device["idle_usd"] == pytest.approx(1e-3 * (12 - 4 * 0.4))
    assert device["idle_ratio"] == pytest.approx((12 - 4 * 0.4) / 12)
    assert device["states"]["warm_idle"]["seconds"] == pytest.approx(12 - 4 * 0.4)
    assert device["per_month_usd"] is None


def test_stopping_in_gaps_saves_what_the_formula_says(bench, day):
    day("biiibbiiiiib")
    said = asked(bench, cold_start_ns=2 * 10**9)["devices"][0]["scale_to_zero"]

    # (5 - 2) + (3 - 2) - 2 * 2 seconds at 0.001 USD each.
    assert (said["gaps"], said["gap_seconds"], said["saved_seconds"]) == (2, 8.0, 0.0)
    assert asked(bench, cold_start_ns=10**9)["devices"][0]["scale_to_zero"]["saved_usd"] == pytest.approx(4e-3)
    assert asked(bench, cold_start_ns=4 * 10**9)["devices"][0]["scale_to_zero"]["saved_seconds"] == -3.0
    unknown = asked(bench)["devices"][0]["scale_to_zero"]
    assert (unknown["cold_start_seconds"], unknown["saved_usd"], unknown["cold_start_source"]) == (None, None, "")


def test_a_load_that_the_ledger_saw_stands_for_a_cold_start(bench, day):
    day("illibiiiiib")
    found = asked(bench)["devices"][0]["scale_to_zero"]

    assert found["cold_start_seconds"] == 2.0
    assert found["cold_start_source"].startswith("the longest load of a model")


@pytest.mark.slow
def test_hours_of_the_day_and_months_are_of_all_days(bench, day, make, worker):
    for _ in range(26 * 12):
        bench.do_pass(worker.arrival(bench.clock.now + 300 * make.SECOND), seconds=300)
    day("bbbbbb")
    (device,) = asked(bench, since_ns=2 * 24 * HOUR_NS)["devices"]

    assert len(device["hours"]) == 24
    assert all(hour["idle_ratio"] > 0.99 for hour in device["hours"])
    assert sum(hour["seconds"] for hour in device["hours"]) == pytest.approx(device["seconds"])
    assert sum(hour["idle_usd"] for hour in device["hours"]) == pytest.approx(device["idle_usd"])
    assert device["per_month_usd"] == pytest.approx(730 * 3.6, rel=1e-3)


def test_models_are_those_that_ran_there_the_busiest_first(bench, make, worker):
    now = bench.clock.now
    frame = worker.arrival(
        now + make.SECOND,
        requests=[make.request(1, now, now + 100 * make.MS), make.request(2, now, now + 700 * make.MS, shape=1)],
        executes=[
            make.execute(1, now, now + 100 * make.MS),
            make.execute(2, now + 200 * make.MS, now + 700 * make.MS, device=0),
        ],
    )
    bench.do_pass(frame, seconds=1)
    bench.do_pass(worker.arrival(bench.clock.now + make.SECOND), seconds=1)
    (device,) = asked(bench)["devices"]

    assert [(one["service"], one["device_seconds"]) for one in device["models"]] == [
        ("gateway", 0.5),
        ("embedder", 0.1),
    ]
    assert device["models"][0]["last_seconds"] == pytest.approx((make.WALL + now) / make.SECOND + 0.7)


def test_time_that_nobody_watched_is_no_gap_to_stop_in(new_bench, make, worker):
    before = new_bench()
    before.do_pass(worker.arrival(before.clock.now + make.SECOND), seconds=1)
    sections = before.do_pass(worker.arrival(before.clock.now + make.SECOND), seconds=1)
    after = new_bench(clock=before.clock)
    after.clock.now += HOUR_NS
    after.pipeline.load(sections, same_boot=True)
    after.number = after.pipeline.rollback(before.number)
    for _ in range(9):
        after.do_pass(worker.arrival(after.clock.now + make.SECOND), seconds=1)
    (device,) = asked(after, cold_start_ns=10**9)["devices"]

    assert device["longest"][0]["state"] == "unobserved"
    assert device["scale_to_zero"]["gap_seconds"] < 20


def test_a_device_without_a_price_is_idle_for_unknown_money(bench, make, worker):
    now = bench.clock.now
    runs = [make.execute(1, now, now + 100 * make.MS, device=4)]
    frame = worker.arrival(now + make.SECOND, requests=[make.request(1, now, now + 200 * make.MS)], executes=runs)
    bench.do_pass(frame, seconds=1)
    for _ in range(3):
        bench.do_pass(worker.arrival(bench.clock.now + make.SECOND), seconds=1)
    devices = {device["device"]: device for device in asked(bench, cold_start_ns=1)["devices"]}

    gpu = devices["GPU-1"]
    assert (gpu["idle_usd"], gpu["bill_usd"], gpu["scale_to_zero"]["saved_usd"]) == (None, None, None)
    assert gpu["idle_ratio"] > 0
    assert gpu["scale_to_zero"]["saved_seconds"] > 0


def test_nothing_is_known_of_an_empty_recorder(bench):
    assert asked(bench) is None
