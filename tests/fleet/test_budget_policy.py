"""What is done as a budget shrinks: written in fleet.yaml, carried in thresholds.json, due by what is left."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.errors import FleetError
from inferometer.fleet import thresholds_file
from inferometer.fleet.budget_policy import DEFAULT, Action, BudgetStep, due
from inferometer.fleet.loader import loads
from inferometer.fleet.summary import thresholds as of_fleet

FLEET = """\
version: 1
fleet: shop
services: {embedder: {engine: fastapi, models: {minilm: {objectives: [available]}}}}
objectives: {available: {sli: availability, target: 99, window: 30d}}
receivers: {oncall: {webhook: {url: "http://127.0.0.1:9/"}}}
routes: {page: oncall, ticket: oncall}
policy: %s
"""
STEPS = (BudgetStep(below=Decimal(50), do=Action.SLOW_ROLLOUT), BudgetStep(below=Decimal(10), do=Action.FREEZE),
         BudgetStep(below=Decimal(25), do=Action.PAGE))  # fmt: skip


def policy(text):
    return of_fleet(loads(FLEET % text)).policy


def test_a_policy_is_read_as_it_is_written():
    written = "[{below: 50, do: slow-rollout}, {below: 10, do: freeze}, {below: 25, do: page}]"

    assert policy(written) == STEPS


def test_without_one_a_budget_that_is_gone_freezes():
    assert of_fleet(loads((FLEET % "x").rsplit("policy", 1)[0])).policy == DEFAULT
    assert due(DEFAULT, 0.0) == DEFAULT
    assert due(DEFAULT, 1e-9) == ()


@pytest.mark.parametrize(
    ("written", "message", "right"),
    [
        ("[{below: 10, do: frieze}]", "policy.do: 'frieze' is no action", "freeze"),
        ("[{below: 110, do: freeze}]", "policy.below: 110 is outside of 0 to 100", "10"),
        ("[{below: 50 %, do: freeze}]", "policy.below: '50 %' is no percentage", "10"),
        ("[{do: freeze}]", "lacks the key 'below'", "below"),
        ("[{below: 10, do: freeze}, {below: 10, do: freeze}]", "twice", "remove"),
        ("{below: 10}", "policy must be a list", "[one, two]"),
    ],
)
def test_what_cannot_be_right_is_refused_with_what_would_be(written, message, right):
    with pytest.raises(FleetError) as error:
        loads(FLEET % written)

    assert message in str(error.value)
    assert right in str(error.value)
    assert "fleet.yaml:7:" in str(error.value)


def test_the_strictest_of_what_is_due_comes_first():
    assert [step.do for step in due(STEPS, 0.3)] == [Action.SLOW_ROLLOUT]
    assert [step.do for step in due(STEPS, 0.2)] == [Action.PAGE, Action.SLOW_ROLLOUT]
    assert [step.do for step in due(STEPS, 0.05)] == [Action.FREEZE, Action.PAGE, Action.SLOW_ROLLOUT]
    assert due(STEPS, 0.5) == ()


@given(st.floats(-5, 1), st.floats(-5, 1))
def test_with_less_left_nothing_is_due_no_more(one, other):
    less, more = sorted((one, other))

    assert set(due(STEPS, more)) <= set(due(STEPS, less))


def test_thresholds_carry_it_and_those_without_one_stay_readable():
    made = of_fleet(loads(FLEET % "[{below: 12.5, do: page}]"))
    text = thresholds_file.dumps(made)
    older = json.loads(text)
    del older["policy"]

    assert thresholds_file.loads(text).policy == (BudgetStep(below=Decimal("12.5"), do=Action.PAGE),)
    assert thresholds_file.loads(json.dumps(older)).policy == DEFAULT
