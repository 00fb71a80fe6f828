"""What a run owes of a device's time: fair by every rule that a fair share keeps, and the Shapley value itself."""

from itertools import permutations
from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.catalog.stages import Kind
from inferometer_exporters.ledger.account import Device, State
from inferometer_exporters.ledger.methods import Method
from inferometer_exporters.ledger.prices import Rate
from inferometer_exporters.ledger.runs import priced
from inferometer_exporters.ledger.sweep import covered

some_runs = st.lists(st.tuples(st.integers(1, 300), st.integers(0, 200)), min_size=1, max_size=6)


def shapley(count, value):
    """The mean of what each adds over all orders in which they may come."""
    owed = [0.0] * count
    for order in permutations(range(count)):
        before = 0.0
        for place in range(count):
            now = value(order[: place + 1])
            owed[order[place]] += now - before
            before = now
    return [part / factorial(count) for part in owed]


def test_the_share_of_every_run_is_its_shapley_value_of_the_time_that_the_device_worked(made):
    """Exhaustively, over all orders of up to 7 runs."""
    random = np.random.default_rng(5)
    for count in (1, 2, 3, 5, 7):
        given_runs = [(int(random.integers(0, 300)), int(random.integers(1, 200))) for _ in range(count)]

        def busy(members, given_runs=given_runs):
            begin = np.array([given_runs[i][0] for i in members])
            return covered(begin, begin + np.array([given_runs[i][1] for i in members]))

        one = made()
        one.tell(*({"start": begin, "end": begin + length} for begin, length in given_runs))
        found = one.ns(1_000)

        assert [found[span] for span in range(1, count + 1)] == pytest.approx(shapley(count, busy), abs=2)


@given(some_runs, st.integers(1, 300), st.integers(0, 200))
def test_equal_runs_owe_the_same(made, others, begin, length):
    one = made()
    twins = [{"start": begin, "end": begin + length, "span_id": span} for span in (90, 91)]
    one.tell(*({"start": b, "end": b + n, "span_id": span} for span, (b, n) in enumerate(others, 1)), *twins)
    found = one.ns(1_000)

    # One of them may be the longest run, which gets what integer division loses.
    assert abs(found[90] - found[91]) <= 2


@given(some_runs, st.integers(1, 300))
def test_a_run_that_takes_no_time_owes_nothing_and_changes_nothing(made, others, at):
    results = []
    for extra in ([], [{"start": at, "end": at, "span_id": 90}]):
        one = made()
        one.tell(*({"start": b, "end": b + n, "span_id": span} for span, (b, n) in enumerate(others, 1)), *extra)
        results.append(one.ns(1_000))

    assert results[1].pop(90) == 0
    # A nanosecond of rounding may go to another run.
    assert all(abs(results[0][span] - ns) <= 2 for span, ns in results[1].items())
    assert sum(results[0].values()) == sum(results[1].values())


@given(some_runs, st.integers(1, 300), st.integers(0, 200), st.integers(1, 100))
def test_who_runs_longer_does_not_owe_less(made, others, begin, length, more):
    owed = []
    for longer in (0, more):
        one = made()
        mine = {"start": begin, "end": begin + length + longer, "span_id": 90}
        one.tell(*({"start": b, "end": b + n, "span_id": span} for span, (b, n) in enumerate(others, 1)), mine)
        owed.append(one.ns(1_000)[90])

    assert owed[1] >= owed[0] - 2


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 16, 33])
def test_a_batch_owes_the_same_together_however_many_share_it(made, size):
    one = made()
    one.tell(
        *({"start": 0, "end": 1_000, "span_id": span, "execute_id": 5, "size": size} for span in range(1, size + 1)),
        {"start": 0, "end": 1_000, "span_id": 90},
    )
    found = one.ns(2_000)
    beside = found.pop(90)

    assert beside == pytest.approx(500, abs=size)
    assert sum(found.values()) == 1_000 - beside
    assert max(found.values()) - min(found.values()) <= 1


def test_prefill_weighs_as_much_as_its_tokens_say_and_a_phase_may_change_in_the_middle(made):
    one = made()
    one.tell(
        {"span_id": 1, "execute_id": 1, "start": 0, "end": 1_000, "kind": Kind.PREFILL, "tokens": 192},
        {"span_id": 1, "execute_id": 2, "start": 1_000, "end": 2_000, "kind": Kind.DECODE},
        {"span_id": 2, "start": 0, "end": 2_000, "kind": Kind.DECODE},
    )
    one.ledger.sweep(3_000, State.WARM_IDLE)
    found = one.ledger.released()
    owed = {(int(s), int(k)): int(ns) for s, k, ns in zip(found["span_id"], found["kind"], found["ns"], strict=True)}

    # 192 tokens weigh 3 decoding sequences: three quarters of the first microsecond, half of the second.
    assert owed[1, Kind.PREFILL] == 750
    assert owed[1, Kind.DECODE] == 500
    assert sum(owed.values()) == 2_000


@pytest.mark.parametrize(("tokens", "share"), [(0, 1 / 2), (3, 1 / 2), (64, 1 / 2), (128, 2 / 3), (10**6, 32 / 33)])
def test_a_prefill_weighs_between_one_and_thirty_two_sequences_and_one_where_its_tokens_are_not_known(
    made, tokens, share
):
    one = made()
    both = {"start": 0, "end": 33 * 6_000}
    one.tell(both | {"kind": Kind.PREFILL, "tokens": tokens}, both | {"kind": Kind.DECODE})

    assert one.ns(10**6)[1] == pytest.approx(33 * 6_000 * share, abs=2)


def test_how_a_share_was_found_is_told(made):
    one = made()
    one.tell(
        {"span_id": 1, "start": 0, "end": 100},
        {"span_id": 2, "start": 200, "end": 400},
        {"span_id": 3, "start": 300, "end": 500},
        *({"span_id": span, "execute_id": 9, "start": 600, "end": 700, "size": 2} for span in (4, 5)),
    )
    found = {span: Method(row["method"]) for span, row in one.settle(1_000).items()}

    assert found == {
        1: Method.EXCLUSIVE, 2: Method.SWEEP, 3: Method.SWEEP, 4: Method.SWEEP, 5: Method.SWEEP,
    }  # fmt: skip


def test_a_run_that_was_alone_for_a_while_and_shared_then_is_swept(made):
    one = made()
    one.tell({"span_id": 1, "start": 0, "end": 0, "final": False})
    one.ledger.sweep(500, State.WARM_IDLE)
    one.tell({"span_id": 1, "start": 0, "end": 1_000}, {"span_id": 2, "start": 600, "end": 700})

    assert {span: Method(row["method"]) for span, row in one.settle(1_000).items()} == {
        1: Method.SWEEP, 2: Method.SWEEP,
    }  # fmt: skip


def test_a_run_on_a_group_occupies_all_of_its_devices(made):
    second = Device(name="GPU-1", kind="gpu", model="a GPU")
    one = made(devices=(made.HOST, made.GPU, second))
    group = [
        {"span_id": 1, "rank": rank, "device": device, "start": 0, "end": 1_000} for rank, device in ((0, 1), (1, 2))
    ]
    one.tell(*group, {"span_id": 2, "device": 2, "start": 500, "end": 1_000})
    found = one.ns(2_000)

    # All of one GPU for a microsecond, of the other half of it alone and half of it shared.
    assert found == {1: 1_000 + 500 + 250, 2: 250}
    wall = sum(account.wall for account in one.ledger.accounts[1:])
    assert sum(sum(account.states.values()) for account in one.ledger.accounts[1:]) == wall == 2 * 2_000


def test_two_processes_on_one_gpu_share_one_sweep(made):
    one = made()
    one.tell(
        {"worker": 1, "span_id": 1, "start": 0, "end": 1_000}, {"worker": 2, "span_id": 2, "start": 0, "end": 1_000}
    )

    assert one.ns(1_000) == {1: 500, 2: 500}
    assert one.gpu.states[State.ATTRIBUTED] == 1_000


def test_a_request_that_ran_before_a_price_was_known_has_an_unknown_cost(made):
    one = made(price=None)
    one.tell({"span_id": 1, "start": 0, "end": 0, "final": False})
    one.ledger.sweep(100, State.WARM_IDLE)
    one.ledger._rate = lambda _: Rate.of(made.PRICE)
    one.ledger.device(Device(name="GPU-0", kind="gpu", model="known now"))
    one.tell({"span_id": 1, "start": 0, "end": 200}, {"span_id": 2, "start": 300, "end": 400})
    one.ledger.sweep(500, State.WARM_IDLE)
    found = one.ledger.released()

    assert dict(zip(found["span_id"].tolist(), priced(found).tolist(), strict=True)) == {1: 0, 2: 1}
    assert (one.gpu.unpriced, one.gpu.bill) == (100, 400)


def test_rows_that_nobody_ever_finishes_are_bounded_and_what_is_given_up_is_counted(made, monkeypatch):
    monkeypatch.setattr("inferometer_exporters.ledger.ledger.MAX_UNFINISHED", 50)
    one = made()
    one.tell(*({"span_id": span, "start": 0, "end": 0, "final": False, "told": span} for span in range(1, 81)))

    assert (one.ledger.pending, one.ledger.given_up) == (50, 30)
    assert set(one.ledger._runs["span_id"].tolist()) == set(range(31, 81))


def test_a_worker_that_tells_of_the_future_holds_nothing_up(made):
    one = made()
    far = 10**18
    one.tell({"span_id": 1, "start": 0, "end": far, "release": far, "told": 10**9})
    one.ledger.sweep(4 * 10**9, State.WARM_IDLE)

    assert int(one.ledger.released()["ns"][0]) == 3 * 10**9
    assert one.ledger.pending == 0
