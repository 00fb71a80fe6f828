"""Steps of an engine: the closed form is the Shapley value, the fit learns the step, what it shares out adds up."""

import json
from itertools import permutations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferometer.catalog.stages import Kind
from inferometer_exporters.ledger.account import Device, State
from inferometer_exporters.ledger.ledger import Ledger
from inferometer_exporters.ledger.methods import Method
from inferometer_exporters.ledger.prices import Rate
from inferometer_exporters.ledger.steps import WARM_UP, Part, Step, StepModel
from inferometer_exporters.ledger.told_steps import ToldSteps

MS = 10**6
T0, A, B, C = 5 * MS, 30_000.0, 20_000.0, 50.0
ENGINE = "an engine, a model, one GPU"


def took(parts):
    """Ns of a step whose time is exactly affine."""
    decoding = [part for part in parts if part.decodes]
    return T0 + A * sum(p.prefill for p in parts) + B * len(decoding) + C * sum(p.context for p in decoding)


def parts_of(random, count):
    kinds = random.random(count) < 0.3
    return tuple(
        Part(worker=1, span_id=number, execute_id=number << 1 | int(prefills),
             prefill=int(random.integers(1, 513)) if prefills else 0, context=int(random.integers(0, 8_000)))
        for number, prefills in enumerate(kinds.tolist(), 1)
    )  # fmt: skip


def step(parts, start, length=None, **more):
    end = start + (round(took(parts)) if length is None else length)
    return Step(**{"device": "GPU-0", "engine": ENGINE, "start": start, "end": end, "parts": parts} | more)


def stream(count, seed=1, sequences=8):
    """Steps one after the other."""
    random = np.random.default_rng(seed)
    at, found = 0, []
    for _ in range(count):
        found.append(step(parts_of(random, int(random.integers(1, sequences + 1))), at))
        at = found[-1].end
    return found


def learned(steps):
    model = StepModel()
    for one in steps:
        model.learn(one)
    return model


def test_the_fit_finds_what_a_step_is_made_of():
    assert learned(stream(300)).coefficients == pytest.approx((T0, A, B, C), rel=1e-3)


def test_no_coefficient_is_below_0_where_the_data_would_have_it_so():
    """More context with less time: what would fit best makes context cost less than nothing."""
    random = np.random.default_rng(2)
    steps = []
    for number in range(200):
        context = int(random.integers(0, 10_000))
        parts = (Part(worker=1, span_id=1, execute_id=2, context=context),)
        steps.append(step(parts, number * 10**9, 50 * MS - 1_000 * context))

    assert min(learned(steps).coefficients) >= 0


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_weights_are_the_shapley_value_of_an_affine_step(count):
    """Exhaustively: the mean of what each sequence adds to the step's time over all orders."""
    parts = parts_of(np.random.default_rng(count), count)
    times = [took([part for at, part in enumerate(parts) if some >> at & 1]) for some in range(1 << count)]
    times[0] = 0.0
    exact = np.zeros(count)
    for order in permutations(range(count)):
        some = 0
        for member in order:
            exact[member] += times[some | 1 << member] - times[some]
            some |= 1 << member
    weights = learned(stream(300)).weights(parts)

    assert exact.sum() / factorial(count) == pytest.approx(took(parts))
    assert (weights / weights.sum()).tolist() == pytest.approx((exact / exact.sum()).tolist(), rel=2e-3)


def test_equal_sequences_weigh_the_same_and_one_without_work_has_its_part_of_the_fixed_time_only():
    model = learned(stream(300))
    twin = {"worker": 1, "execute_id": 2, "prefill": 100}
    idle = Part(worker=1, span_id=3, execute_id=6)
    weights = model.weights([Part(span_id=1, **twin), Part(span_id=2, **twin), idle])
    expected = np.array([T0 / 3 + 100 * A, T0 / 3 + 100 * A, T0 / 3 + B])

    assert weights[0] == weights[1]
    assert (weights / weights.sum()).tolist() == pytest.approx((expected / expected.sum()).tolist(), rel=2e-3)


def test_until_enough_steps_were_seen_a_sequence_weighs_its_tokens():
    model = learned(stream(WARM_UP - 1))
    parts = [Part(worker=1, span_id=1, execute_id=2, prefill=30), Part(worker=1, span_id=2, execute_id=4, context=9)]

    weights = model.weights(parts)
    assert weights[0] == pytest.approx(30 * weights[1], rel=1e-4)


def test_what_was_learned_survives_a_restart():
    model = learned(stream(100))
    again = StepModel.from_json(json.loads(json.dumps(model.to_json())))

    assert again.coefficients == pytest.approx(model.coefficients)
    parts = parts_of(np.random.default_rng(9), 5)
    assert again.weights(parts).tolist() == model.weights(parts).tolist()


@settings(max_examples=min(60, settings.default.max_examples), deadline=None)
@given(st.integers(1, 40), st.integers(0, 1_000), st.lists(st.integers(1, 60 * MS), max_size=6))
def test_shares_sum_to_the_measured_time_of_the_steps_whenever_the_sweep_pauses(made, count, seed, pauses):
    one = made()
    steps = stream(count, seed)
    one.ledger.steps(steps)
    for until in np.cumsum(pauses).tolist():
        one.ledger.sweep(until, State.WARM_IDLE)
    last = steps[-1].end + MS
    one.ledger.sweep(max(last, one.ledger.until), State.WARM_IDLE)
    one.ledger.close(1, one.ledger.until)
    found = one.ledger.released()

    assert int(found["ns"].sum()) == one.gpu.states[State.ATTRIBUTED] == sum(s.end - s.start for s in steps)
    assert one.gpu.residual == 0
    assert set(found["method"].tolist()) <= {int(Method.STEPS), int(Method.EXCLUSIVE)}


def test_what_lies_between_two_steps_is_idle_and_phases_are_apart(made):
    one = made()
    prompt = Part(worker=1, span_id=1, execute_id=3, prefill=400)
    answer = Part(worker=1, span_id=1, execute_id=2, context=400)
    one.ledger.steps([step((prompt,), 0, 1_000), step((answer,), 1_500, 300), step((answer,), 2_000, 300)])
    one.ledger.sweep(3_000, State.WARM_IDLE)
    one.ledger.close(1, 3_000)
    found = one.ledger.released()

    phases = dict(zip(found["kind"].tolist(), found["ns"].tolist(), strict=True))
    assert phases == {Kind.PREFILL: 1_000, Kind.DECODE: 600}
    assert one.gpu.states[State.WARM_IDLE] == 1_400
    assert set(found["method"].tolist()) == {int(Method.EXCLUSIVE)}


def test_steps_refine_a_run_that_its_request_told_of(made):
    """The request says when it began and ended; the steps say when the GPU worked for it, and how much."""
    one = made()
    parts = (Part(worker=1, span_id=1, execute_id=2, context=10), Part(worker=1, span_id=2, execute_id=4, context=10))
    one.ledger.steps([step(parts, 100, 400)])
    one.tell(
        {"span_id": 1, "execute_id": 2, "start": 0, "end": 1_000, "name": 7},
        {"span_id": 2, "execute_id": 4, "start": 0, "end": 1_000, "name": 7},
    )
    owed = one.settle(2_000)

    assert {span: row["ns"] for span, row in owed.items()} == {1: 200, 2: 200}
    assert {row["method"] for row in owed.values()} == {int(Method.STEPS)}


def test_another_process_on_the_gpu_shares_with_the_members_of_a_step(made):
    one = made()
    parts = (Part(worker=1, span_id=1, execute_id=2, context=10), Part(worker=1, span_id=2, execute_id=4, context=10))
    one.ledger.steps([step(parts, 0, 3_000)])
    one.tell({"worker": 2, "span_id": 9, "start": 0, "end": 3_000})
    one.ledger.close(1, 3_000)
    owed = one.settle(3_000)

    assert [owed[span]["ns"] for span in (1, 2, 9)] == pytest.approx([1_000] * 3, abs=2)
    assert Method(owed[9]["method"]) is Method.SWEEP


def test_steps_on_a_group_occupy_all_of_it(made):
    one = made(devices=(made.HOST, made.GPU, Device(name="GPU-1", kind="gpu")))
    one.ledger.steps([step((Part(worker=1, span_id=1, execute_id=2),), 0, 500, device="GPU-0,GPU-1")])
    one.ledger.sweep(1_000, State.WARM_IDLE)

    assert [account.states[State.ATTRIBUTED] for account in one.ledger.accounts] == [0, 500, 500]


def test_a_step_that_comes_late_is_counted_once_and_charged_to_nobody(made):
    one = made()
    one.ledger.sweep(1_000, State.WARM_IDLE)
    parts = tuple(Part(worker=1, span_id=span, execute_id=span) for span in (1, 2, 3))
    one.ledger.steps([step(parts, 400, 800)])
    one.ledger.sweep(2_000, State.WARM_IDLE)

    assert one.gpu.late == 600
    assert one.gpu.states[State.ATTRIBUTED] == 200


def test_steps_go_on_after_a_restart(made):
    one = made()
    steps = stream(60)
    one.ledger.steps(steps)
    half = steps[30].end - 1_000
    one.ledger.sweep(half, State.WARM_IDLE)
    after = Ledger(half, lambda _: Rate.of(made.PRICE))
    after.load(one.ledger.dump(), now=half, gap=None)
    after.sweep(steps[-1].end, State.WARM_IDLE)

    assert after.accounts[1].states[State.ATTRIBUTED] == sum(s.end - s.start for s in steps)
    learned = [ledger._steps._models[ENGINE].coefficients for ledger in (after, one.ledger)]
    assert learned[0] == pytest.approx(learned[1], rel=1e-4)


def test_pieces_of_steps_are_bounded(made, monkeypatch):
    monkeypatch.setattr("inferometer_exporters.ledger.told_steps.MAX_PIECES", 20)
    one = made()
    one.ledger.steps(stream(50, sequences=1))

    assert one.ledger.given_up == 30


def test_engines_beyond_the_limit_are_shared_by_tokens_and_not_remembered(monkeypatch):
    monkeypatch.setattr("inferometer_exporters.ledger.told_steps.MAX_ENGINES", 1)
    told = ToldSteps()
    told.add([step((Part(worker=1, span_id=1, execute_id=1),), 0, 5, engine=name) for name in "ab"], lambda _: [0])

    assert set(told._models) == {"a"}
    assert len(told) == 2
