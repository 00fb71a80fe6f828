"""The ledger adds up, to the nanosecond and the picodollar."""

import json
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.errors import StateError
from inferometer.fleet.thresholds import Price
from inferometer_exporters.columns.packed import pack, unpack
from inferometer_exporters.ledger.account import Device, State
from inferometer_exporters.ledger.ledger import Ledger
from inferometer_exporters.ledger.prices import Rate
from inferometer_exporters.ledger.runs import none
from inferometer_exporters.ledger.sweep import covered, sweep

SECOND = 10**9
HOST = Device(name="host", kind="cpu", model="some CPU")
PRICE = Price(
    kind="cpu", model="*", picodollars_per_hour=200_000_000_000, price_kind="on_demand", source="list",
    as_of="2026-10-01",
)  # fmt: skip


def rows(*given):
    """Rows of runs; every one finished unless told otherwise."""
    table = none()
    result = {name: np.zeros(len(given), column.dtype) for name, column in table.items()}
    for index, row in enumerate(given):
        for name, value in ({"size": 1, "final": True} | row).items():
            result[name][index] = value
    ends = result["end"].copy()
    for span in set(result["span_id"].tolist()):
        mine = result["span_id"] == span
        result["release"][mine] = ends[mine].max()
    return result


def ledger(now=0, price=PRICE):
    made = Ledger(now, lambda _: None if price is None else Rate.of(price))
    made.device(HOST)
    return made


def owed(found):
    return dict(zip(found["span_id"].tolist(), found["ns"].tolist(), strict=True))


runs = st.lists(st.tuples(st.integers(1, 400), st.integers(0, 200), st.integers(1, 5), st.integers(0, 1)), max_size=25)


def shares_by_hand(given, until):
    """Shares as fractions, one elementary interval after the other."""
    marks = sorted({0, until, *(min(t, until) for begin, length, *_ in given for t in (begin, begin + length))})
    shares = [Fraction(0)] * len(given)
    busy = 0
    for low, high in pairwise(marks):
        active = [i for i, (begin, length, *_) in enumerate(given) if begin <= low and begin + length >= high]
        busy += high - low if active else 0
        for i in active:
            shares[i] += Fraction(high - low, len(active))
    return shares, busy


@given(runs, st.lists(st.integers(1, 300), min_size=1, max_size=8))
def test_states_sum_to_wall_time_and_shares_to_what_is_attributed(given, steps):
    made = ledger()
    table = rows(
        *(
            {
                "worker": 1,
                "execute_id": i,
                "span_id": i + 1 if has else 0,
                "start": begin,
                "end": begin + length,
                "size": size,
            }
            for i, (begin, length, size, has) in enumerate(given)
        )
    )
    made.announce(table)
    account, until, found = made.accounts[0], 0, []
    for step in steps:
        until += step
        made.sweep(until, State.WARM_IDLE)

        assert sum(account.states.values()) == account.wall == until
        assert account.residual == 0
        found.append(made.released())
    made.sweep(3_000, State.WARM_IDLE)
    found.append(made.released())

    assert made.pending == 0
    assert sum(int(part["ns"].sum()) for part in found) == account.states[State.ATTRIBUTED]
    money = sum(int(part["picodollars"].sum()) for part in found)
    assert money * 18 <= account.states[State.ATTRIBUTED] < (money + 1) * 18
    assert account.bill * 18 <= 3_000 < (account.bill + 1) * 18


@given(runs.filter(lambda given: all(size == 1 for _, _, size, _ in given)))
def test_concurrent_runs_own_equal_parts_of_the_time(given):
    made = ledger()
    made.announce(
        rows(
            *(
                {"worker": 1, "execute_id": i, "span_id": i + 1, "start": begin, "end": begin + length}
                for i, (begin, length, *_) in enumerate(given)
            )
        )
    )
    made.sweep(1_000, State.WARM_IDLE)
    shares, busy = shares_by_hand(given, 1_000)
    found = owed(made.released())

    assert made.accounts[0].states[State.WARM_IDLE] == 1_000 - busy
    for index, share in enumerate(shares):
        assert abs(found[index + 1] - share) <= 2


@given(runs, st.lists(st.integers(1, 300), max_size=8))
def test_shares_do_not_depend_on_when_the_sweep_pauses(given, steps):
    results = []
    for pauses in ([], steps):
        made = ledger()
        made.announce(
            rows(
                *(
                    {
                        "worker": 1,
                        "execute_id": i,
                        "span_id": i + 1,
                        "start": begin,
                        "end": begin + length,
                        "size": size,
                    }
                    for i, (begin, length, size, _) in enumerate(given)
                )
            )
        )
        for until in np.cumsum(pauses).tolist():
            made.sweep(until, State.WARM_IDLE)
        made.sweep(3_000, State.WARM_IDLE)
        results.append(owed(made.released()))

    assert results[0].keys() == results[1].keys()
    assert all(abs(results[0][span] - results[1][span]) <= 1 + len(steps) for span in results[0])


def test_members_of_a_batch_share_one_run_beside_others():
    made = ledger()
    batch = [{"worker": 1, "execute_id": 7, "span_id": s, "start": 0, "end": 800, "size": 4} for s in (1, 2, 3, 4)]
    made.announce(rows(*batch, {"worker": 1, "execute_id": 8, "span_id": 9, "start": 0, "end": 800}))
    made.sweep(1_000, State.WARM_IDLE)

    assert owed(made.released()) == {1: 100, 2: 100, 3: 100, 4: 100, 9: 400}


def test_what_missing_members_of_a_batch_used_is_system():
    made = ledger()
    batch = [{"worker": 1, "execute_id": 7, "span_id": s, "start": 0, "end": 800, "size": 4} for s in (1, 2, 3)]
    made.announce(rows(*batch))
    made.sweep(1_000, State.WARM_IDLE)

    assert owed(made.released()) == {1: 200, 2: 200, 3: 200}
    assert made.accounts[0].states[State.SYSTEM] == 200


def test_a_run_announced_and_then_final_is_one_run_and_released_when_its_request_ends():
    made = ledger()
    made.announce(rows({"worker": 1, "execute_id": 5, "span_id": 3, "start": 10, "end": 0, "final": False}))
    made.sweep(100, State.WARM_IDLE)
    assert made.accounts[0].states[State.ATTRIBUTED] == 90
    made.announce(rows({"worker": 1, "execute_id": 5, "span_id": 3, "start": 10, "end": 150, "final": False}))
    made.sweep(200, State.WARM_IDLE)
    assert not len(made.released()["ns"])
    made.announce(rows({"worker": 1, "execute_id": 5, "span_id": 3, "start": 10, "end": 150}))
    made.sweep(210, State.WARM_IDLE)

    assert owed(made.released()) == {3: 140}
    assert made.accounts[0].late == 0
    assert made.pending == 0


def test_what_comes_after_its_seconds_were_swept_is_late_and_charged_to_nobody():
    made = ledger()
    made.sweep(1_000, State.WARM_IDLE)
    made.announce(rows({"worker": 1, "execute_id": 5, "span_id": 3, "start": 400, "end": 1_100}))
    made.sweep(1_200, State.WARM_IDLE)

    assert owed(made.released()) == {3: 100}
    assert made.accounts[0].late == 600
    assert made.accounts[0].states == dict.fromkeys(State, 0) | {State.ATTRIBUTED: 100, State.WARM_IDLE: 1_100}


def test_idle_time_in_which_a_model_was_loaded_is_loading():
    made = ledger()
    made.loaded(0, 100, 400)
    made.announce(rows({"worker": 1, "execute_id": 5, "span_id": 3, "start": 300, "end": 500}))
    made.sweep(250, State.WARM_IDLE)
    made.sweep(1_000, State.WARM_IDLE)

    states = made.accounts[0].states
    assert (states[State.LOADING], states[State.ATTRIBUTED], states[State.WARM_IDLE]) == (200, 200, 600)


def test_a_state_of_before_engines_had_shares_is_gone_on_with():
    before = ledger()
    before.announce(rows({"worker": 1, "execute_id": 5, "span_id": 3, "start": 1_000, "end": 3_000}))
    before.sweep(2_000, State.WARM_IDLE)
    sections = before.dump()
    told = unpack(sections["ledger.runs"])
    for name in ("engine", "claim", "way", "labels"):
        del told[name]
    accounts = json.loads(sections["ledger.accounts"])
    for account in accounts["accounts"]:
        for name in ("engine", "lag", "credits"):
            del account[name]
    after = Ledger(2_000, lambda _: Rate.of(PRICE))
    old = {"ledger.runs": pack(told), "ledger.accounts": json.dumps(accounts).encode()}
    after.load(old, now=2_000, gap=None)
    after.sweep(4_000, State.WARM_IDLE)

    assert owed(after.released()) == {3: 2_000}


def test_downtime_is_unobserved_but_for_runs_that_are_resent():
    before = ledger()
    before.sweep(1_000, State.WARM_IDLE)
    after = Ledger(5_000, lambda _: Rate.of(PRICE))
    after.load(before.dump(), now=5_000, gap=None)
    after.announce(rows({"worker": 1, "execute_id": 5, "span_id": 3, "start": 2_000, "end": 2_500}))
    after.sweep(6_000, State.WARM_IDLE)

    assert owed(after.released()) == {3: 500}
    states = after.accounts[0].states
    assert (states[State.UNOBSERVED], states[State.ATTRIBUTED], states[State.WARM_IDLE]) == (3_500, 500, 2_000)
    assert sum(states.values()) == after.accounts[0].wall == 6_000


def test_a_boot_of_the_host_leaves_the_gap_unobserved_and_the_sum_whole():
    before = ledger()
    before.sweep(1_000, State.WARM_IDLE)
    after = Ledger(50, lambda _: Rate.of(PRICE))
    after.load(before.dump(), now=50, gap=300)
    after.sweep(80, State.WARM_IDLE)

    account = after.accounts[0]
    assert account.wall == 1_330 == sum(account.states.values())
    assert account.states[State.UNOBSERVED] == 300


def test_a_device_without_a_price_costs_nothing_and_its_time_is_counted():
    made = ledger(price=None)
    made.announce(rows({"worker": 1, "execute_id": 5, "span_id": 3, "start": 10, "end": 20}))
    made.sweep(100, State.WARM_IDLE)

    account = made.accounts[0]
    assert (account.bill, account.idle_cost, account.unpriced) == (0, 0, 100)


def test_runs_of_a_worker_that_is_gone_end():
    made = ledger()
    made.announce(rows({"worker": 1, "execute_id": 5, "span_id": 3, "start": 10, "end": 0, "final": False}))
    made.close(1, 60)
    made.sweep(100, State.UNALLOCATED)

    states = made.accounts[0].states
    assert (states[State.ATTRIBUTED], states[State.UNALLOCATED]) == (50, 50)


def test_what_a_worker_no_longer_speaks_of_ends():
    made = ledger()
    lost = {"worker": 1, "start": 10 * SECOND, "final": False, "told": 10 * SECOND}
    made.announce(
        rows(
            lost | {"execute_id": 5, "span_id": 3},
            lost | {"execute_id": 6, "span_id": 4, "end": 11 * SECOND},
            lost | {"execute_id": 7, "span_id": 9, "end": 11 * SECOND},
            lost | {"execute_id": 8, "span_id": 9, "told": 12 * SECOND},
        )
    )
    made.forget(1, 13 * SECOND, np.array([9], np.uint64))
    made.sweep(20 * SECOND, State.WARM_IDLE)

    # One second shared by four, two by the first and the last.
    assert owed(made.released()) == {3: SECOND // 4 + SECOND, 4: SECOND // 4}
    assert made.pending == 2


def test_a_state_that_is_none_is_refused_by_name():
    with pytest.raises(StateError, match="ledger's state"):
        ledger().load({"ledger.accounts": b"{}", "ledger.runs": b""}, now=0, gap=None)


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 50)), max_size=20))
def test_covered_counts_each_instant_once(given):
    begin = np.array([b for b, _ in given], np.int64)
    end = np.array([b + n for b, n in given], np.int64)

    assert covered(begin, end) == len({t for b, n in given for t in range(b, b + n)})


@given(st.integers(1, 10**15), st.lists(st.integers(0, 10**12), max_size=20), st.integers(0, 10**6))
def test_charges_of_parts_sum_to_the_charge_of_the_whole(price, parts, carried):
    rate = Rate.of(Price(kind="gpu", model="*", picodollars_per_hour=price, price_kind="owned", source="", as_of=""))
    carried %= rate.ns
    each, left = rate.charges(np.array(parts, np.int64), carried)

    assert (int(each.sum()), left) == rate.charge(sum(parts), carried)
    assert not (each < 0).any()


def test_a_sweep_of_very_many_short_runs_stays_exact():
    random = np.random.default_rng(1)
    begin = random.integers(0, 10**9, 20_000)
    end = begin + random.integers(0, 10**6, 20_000)
    weight = random.integers(1, 720_720, 20_000)
    found = sweep(begin, end, weight)

    assert int(found.shares.sum()) == found.busy == covered(begin, end)
    assert (found.shares >= 0).all()
