"""Energy goes the way of time: the same shares, exact to the microjoule, and nothing where nobody reads it."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer_exporters.columns.packed import pack, unpack
from inferometer_exporters.ledger.account import Account, State
from inferometer_exporters.ledger.energy import LEARNED_NS, MAX_SPANS, Meter
from inferometer_exporters.ledger.ledger import Ledger
from inferometer_exporters.ledger.prices import Rate, portions

SECOND = 10**9
WATT = 10**6
"""Microjoules that a watt makes in a second."""


def test_a_window_is_divided_among_requests_like_its_time(made):
    one = made()
    one.tell(
        {"span_id": 1, "start": 0, "end": 0, "final": False},
    )
    one.gpu.used(0, SECOND, 400 * WATT)
    one.tell({"span_id": 1, "start": 0, "end": SECOND}, {"span_id": 2, "start": SECOND // 2, "end": SECOND})
    owed = one.settle(SECOND)

    assert {span: row["microjoules"] for span, row in owed.items()} == {1: 300 * WATT, 2: 100 * WATT}
    assert owed[1]["microjoules"] * owed[2]["ns"] == owed[2]["microjoules"] * owed[1]["ns"]


def test_idle_time_has_the_power_that_the_device_drew_when_it_had_no_work(made):
    one = made()
    one.gpu.used(0, SECOND, 70 * WATT)
    one.gpu.used(SECOND, 2 * SECOND, 235 * WATT)
    one.tell({"span_id": 1, "start": SECOND, "end": 3 * SECOND // 2})
    owed = one.settle(2 * SECOND)

    # Half a second at 70 W is 35 J; the other 200 J are the request's, which is 400 W.
    assert owed[1]["microjoules"] == 200 * WATT
    assert one.gpu.energies[State.WARM_IDLE] == (70 + 35) * WATT


def test_where_the_device_was_never_seen_idle_its_energy_is_divided_by_time_alone(made):
    one = made()
    one.gpu.used(0, SECOND, 200 * WATT)
    one.tell({"span_id": 1, "start": 0 + 1, "end": SECOND // 4 + 1})
    owed = one.settle(SECOND)

    assert owed[1]["microjoules"] == pytest.approx(50 * WATT, rel=1e-6)


def test_idle_energy_is_never_more_than_there_was(made):
    one = made()
    one.gpu.used(0, SECOND, 100 * WATT)
    one.gpu.used(SECOND, 2 * SECOND, 10 * WATT)
    one.tell({"span_id": 1, "start": SECOND, "end": 3 * SECOND // 2})

    assert one.settle(2 * SECOND)[1]["microjoules"] == 0
    assert sum(one.gpu.energies.values()) == 110 * WATT


def test_a_request_whose_energy_is_not_known_to_the_end_has_none(made):
    one = made()
    one.gpu.used(0, SECOND, 100 * WATT)
    one.tell({"span_id": 1, "start": 1, "end": SECOND}, {"span_id": 2, "start": SECOND // 2, "end": 2 * SECOND})
    owed = one.settle(3 * SECOND)

    assert owed[2]["microjoules"] == -1
    assert owed[1]["microjoules"] > 0


def test_a_device_that_nobody_reads_has_no_energy_at_all(made):
    one = made()
    one.tell({"span_id": 1, "start": 0, "end": SECOND})

    assert one.settle(SECOND)[1]["microjoules"] == -1
    assert one.gpu.meter is None


def test_energy_of_time_that_is_settled_is_unobserved(made):
    one = made()
    one.ledger.sweep(SECOND, State.WARM_IDLE)
    one.gpu.used(0, 2 * SECOND, 100 * WATT)
    one.ledger.sweep(2 * SECOND, State.WARM_IDLE)

    assert one.gpu.energies[State.UNOBSERVED] == one.gpu.energies[State.WARM_IDLE] == 50 * WATT


@given(
    st.lists(st.tuples(st.integers(1, 3 * SECOND), st.integers(0, 10**10)), min_size=1, max_size=8),
    st.lists(st.integers(1, 2 * SECOND), max_size=8),
    st.lists(st.tuples(st.integers(1, 4 * SECOND), st.integers(0, 2 * SECOND)), max_size=6),
)
def test_every_microjoule_is_somewhere_however_readings_and_sweeps_fall(made, spans, pauses, runs):
    one = made()
    one.tell(*({"start": begin, "end": begin + length} for begin, length in runs)) if runs else None
    at, until, owed = 0, 0, []
    for index in range(max(len(spans), len(pauses))):
        if index < len(spans):
            length, used = spans[index]
            one.gpu.used(at, at + length, used)
            at += length
        if index < len(pauses):
            until += pauses[index]
            one.ledger.sweep(until, State.WARM_IDLE)
            owed.append(one.ledger.released())
    one.ledger.sweep(max(at, until, 6 * SECOND), State.WARM_IDLE)
    owed.append(one.ledger.released())

    assert sum(one.gpu.energies.values()) == sum(used for _, used in spans)
    assert sum(int(rows["spent"].sum()) for rows in owed) == one.gpu.energies[State.ATTRIBUTED]
    assert one.gpu.meter.waiting(one.gpu.since) == 0


def test_readings_that_wait_are_bounded_and_lost_energy_is_counted():
    meter = Meter()
    late = sum(meter.add(at, at + 1, 10, 0) for at in range(MAX_SPANS + 5))

    assert late == 50
    assert meter.waiting(0) == 10 * MAX_SPANS


def test_a_short_window_teaches_nothing_of_idle_power():
    meter = Meter()
    meter.learn(5, LEARNED_NS - 1)

    assert meter.idle(100, 50, 100) == 50


@given(st.integers(0, 10**13), st.lists(st.integers(0, 10**10), min_size=1, max_size=20).filter(any))
def test_portions_sum_to_the_whole_and_follow_the_weights(total, weights):
    parts = portions(total, np.array(weights, np.int64)).tolist()

    assert sum(parts) == total
    assert all(abs(part - total * weight / sum(weights)) <= 1.001 for part, weight in zip(parts, weights, strict=True))


def test_energy_that_waits_survives_a_restart_and_a_boot_ends_it(made):
    one = made()
    one.gpu.used(0, 2 * SECOND, 100 * WATT)
    one.ledger.sweep(SECOND, State.WARM_IDLE)
    after = Ledger(SECOND, lambda _: Rate.of(made.PRICE))
    after.load(one.ledger.dump(), now=SECOND, gap=None)
    after.sweep(2 * SECOND, State.WARM_IDLE)
    booted = Ledger(0, lambda _: Rate.of(made.PRICE))
    booted.load(one.ledger.dump(), now=0, gap=5 * SECOND)

    assert after.accounts[1].energies[State.WARM_IDLE] == 100 * WATT
    assert booted.accounts[1].energies[State.UNOBSERVED] == booted.accounts[1].energies[State.WARM_IDLE] == 50 * WATT


def test_a_state_of_before_there_was_energy_is_gone_on_with(made):
    """As the sidecar of issue 1 wrote it: fewer columns, no energy, no users."""
    one = made()
    one.tell({"span_id": 1, "start": 0, "end": 0, "final": False})
    one.ledger.sweep(100, State.WARM_IDLE)
    sections = dict(one.ledger.dump())
    accounts = json.loads(sections["ledger.accounts"])
    del accounts["engines"]
    for account in accounts["accounts"]:
        for name in ("energies", "meter", "users", "closed"):
            del account[name]
        for name in ("parts", "whole"):
            del account["device"][name]
    sections["ledger.accounts"] = json.dumps(accounts).encode()
    runs = unpack(sections["ledger.runs"])
    later = ("rank", "tokens", "stepped", "microjoules", "found")
    sections["ledger.runs"] = pack({name: column for name, column in runs.items() if name not in later})
    after = made(devices=())
    after.ledger.load(sections, now=100, gap=None)
    after.tell({"span_id": 1, "start": 0, "end": 300})
    owed = after.settle(400)

    assert owed[1]["ns"] == 300
    assert owed[1]["microjoules"] == -1
    assert isinstance(after.gpu, Account)
