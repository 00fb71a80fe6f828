"""Fully loaded cost: what requests pay together is what their devices cost."""

from fractions import Fraction

import pytest
from loaded_factor import loaded_factor


@pytest.fixture
def used(bench, make):
    """10 seconds of the host, of which requests used two and nobody half a one; then 10 seconds of nothing."""
    worker, now = make.worker(), bench.clock.now
    bench.worker = worker
    half = make.SECOND // 2
    frame = worker.arrival(
        now + 5 * make.SECOND,
        requests=[make.request(5, now, now + make.SECOND), make.request(6, now, now + 2 * make.SECOND, trace=2)],
        executes=[
            make.execute(5, now, now + make.SECOND),
            make.execute(6, now, now + 2 * make.SECOND),
            make.execute(0, now + 3 * make.SECOND, now + 3 * make.SECOND + half, execute_id=9),
        ],
    )
    bench.do_pass(frame, seconds=5)
    for _ in range(15):
        bench.do_pass(worker.arrival(bench.clock.now + make.SECOND), seconds=1)
    cursor = bench.recorder.cursor()
    yield cursor
    cursor.close()


def test_loaded_costs_add_up_to_the_bill_to_the_picodollar(used, bench):
    factor = loaded_factor(used, 0, bench.clock.wall())["box"]
    costs = [row[0] for row in used.execute("select cost from requests").fetchall()]
    account = bench.pipeline.ledger.accounts[0]

    assert costs == [500_000_000, 1_500_000_000]
    assert factor == Fraction(20, 2)
    assert sum(cost * factor for cost in costs) == account.bill == 20_000_000_000


def test_a_window_has_the_idle_time_of_that_window_alone(used, bench, make):
    wall = bench.clock.wall()
    first_half = loaded_factor(used, 0, wall - 10 * make.SECOND)
    later = loaded_factor(used, wall - 10 * make.SECOND, wall)

    assert first_half == {"box": Fraction(10, 2)}
    # Nobody used the device in the later half: there is nobody to carry its bill.
    assert later == {}


def test_an_account_that_was_opened_inside_the_window_counts_from_its_beginning(used, bench, make):
    since = bench.clock.wall() - 3_600 * make.SECOND

    assert loaded_factor(used, since, bench.clock.wall()) == {"box": Fraction(20, 2)}


def test_where_the_window_begins_before_what_is_kept_it_begins_with_the_first_entry(used, bench, make):
    used.execute("delete from ledger where pass < 12").fetchall()
    billed = used.execute("select min(bill) from ledger").fetchall()[0][0]
    since, worker, now = bench.clock.wall() - 8 * make.SECOND, bench.worker, bench.clock.now
    frame = worker.arrival(
        now + 2 * make.SECOND,
        requests=[make.request(8, now, now + 2 * make.SECOND, trace=4)],
        executes=[make.execute(8, now + make.SECOND, now + 2 * make.SECOND)],
    )
    bench.do_pass(frame, seconds=2)
    account = bench.pipeline.ledger.accounts[0]

    assert loaded_factor(used, since, bench.clock.wall()) == {"box": Fraction(account.bill - billed, 1_000_000_000)}


def test_a_device_without_a_price_has_a_factor_of_time(bench, make):
    worker, now = make.worker(), bench.clock.now
    frame = worker.arrival(
        now + 4 * make.SECOND, requests=[make.request(5, now, now + make.SECOND)],
        executes=[make.execute(5, now, now + make.SECOND, device=4)],
    )  # fmt: skip
    bench.do_pass(frame, seconds=4)
    bench.do_pass(worker.arrival(bench.clock.now), seconds=1)
    cursor = bench.recorder.cursor()
    found = loaded_factor(cursor, 0, bench.clock.wall())
    cursor.close()

    assert set(found) == {"GPU-1"}
    assert found["GPU-1"] >= 4
