"""Which traces are kept, and why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.aggregate import Aggregator, RequestMeter
from inferometer.catalog import requests
from inferometer.catalog.stages import Outcome
from inferometer.fleet.objective import Objective, Sli, Times
from inferometer.fleet.thresholds import Thresholds
from inferometer.intake.keep import Finished, KeepPolicy, in_baseline
from inferometer.record.model import Flag, Labels

MS = 1_000_000
LABELS = Labels(service="svc", model="m")
PROMISED = Labels(service="svc", model="promised")
THRESHOLDS = Thresholds(
    objectives=(
        Objective(
            slo="s", service="svc", model="promised", name="s", sli=Sli.LATENCY, threshold_ns=50 * MS, target="99",
            window_ns=1,
        ),
    )
)  # fmt: skip
ODD = next(number for number in range(1, 10_000) if not in_baseline(number))


class Policy:
    def __init__(self) -> None:
        self.ns = 10**12
        self.aggregator = Aggregator()
        self._policy = KeepPolicy(RequestMeter(self.aggregator, THRESHOLDS), monotonic_ns=lambda: self.ns)
        for labels in (LABELS, PROMISED):
            for _ in range(5):
                assert self.why(labels=labels) == "rare"

    def why(self, **changes: object) -> str | None:
        given: dict[str, object] = {
            "labels": LABELS, "trace_id": ODD, "outcome": Outcome.OK, "flags": 0, **changes,
        }  # fmt: skip
        times = Times(given.pop("duration_ns", MS), given.pop("first_chunk_ns", None))
        return self._policy.reason(Finished(**given, times=times))


@pytest.fixture
def policy() -> Policy:
    return Policy()


def test_the_first_requests_of_each_outcome_are_rare_and_the_next_are_not(policy):
    assert policy.why() is None
    assert [policy.why(outcome=Outcome.CLIENT_ERROR) for _ in range(6)] == [*["rare"] * 5, None]


def test_after_a_minute_without_a_kept_trace_the_next_is_kept(policy):
    policy.ns += 61 * 10**9

    assert policy.why() == "rare"
    assert policy.why() is None


@pytest.mark.parametrize("outcome", [Outcome.SERVER_ERROR, Outcome.TIMEOUT, Outcome.REJECTED])
def test_what_failed_is_kept(policy, outcome):
    assert policy.why(outcome=outcome) == "failed"


def test_what_breaks_its_promise_is_slow(policy):
    assert policy.why(labels=PROMISED, duration_ns=50 * MS) is None
    assert policy.why(labels=PROMISED, duration_ns=50 * MS + 1) == "slow"


def test_what_is_slower_than_99_of_100_is_slow_once_enough_are_known(policy):
    for _ in range(198):
        policy.aggregator.observe(requests.REQUEST_DURATION, ("svc", "m", "", ""), MS)
    assert policy.why(duration_ns=90 * MS) is None
    for _ in range(2):
        policy.aggregator.observe(requests.REQUEST_DURATION, ("svc", "m", "", ""), 100 * MS)
    policy.ns += 6 * 10**9

    assert policy.why(duration_ns=90 * MS) == "slow"
    assert policy.why(duration_ns=MS) is None
    assert policy.why(duration_ns=90 * MS, flags=Flag.WARMUP) is None


def test_what_costs_ten_times_the_mean_is_dear(policy):
    for _ in range(200):
        policy.aggregator.observe(requests.REQUEST_COST, ("svc", "m", "", ""), 1_000)

    assert policy.why(cost_picodollars=10_000) is None
    assert policy.why(cost_picodollars=10_001) == "dear"


def test_a_trace_that_the_caller_keeps_is_kept(policy):
    assert policy.why(flags=Flag.SAMPLED) == "baseline"


def test_the_baseline_is_about_one_trace_in_fifty_even_of_ids_that_only_count_up():
    assert sum(map(in_baseline, range(10_000))) == pytest.approx(200, rel=0.2)


@given(st.integers(0, 2**128 - 1))
def test_the_baseline_looks_at_the_lower_half_of_the_id_alone(trace):
    assert in_baseline(trace) == in_baseline(trace & (2**64 - 1))
    assert in_baseline(trace, 1.0)
    assert not in_baseline(trace, 0.0)


def test_where_answers_are_judged_by_their_tokens_none_is_unremarkable_by_its_duration():
    """Otherwise answers without tokens would count as good for the time per token."""
    objective = Objective(
        slo="t", service="svc", model="m", name="t", sli=Sli.TIME_PER_OUTPUT_TOKEN, threshold_ns=50 * MS, target="99",
        window_ns=1,
    )  # fmt: skip
    meters = [RequestMeter(Aggregator(), Thresholds(objectives=asked)) for asked in ((), (objective,))]
    found = []
    for meter in meters:
        policy = KeepPolicy(meter, monotonic_ns=lambda: 10**12)
        for _ in range(5):
            policy.reason(Finished(labels=LABELS, trace_id=ODD, outcome=Outcome.OK, flags=0, times=Times(MS)))
        found.append(policy.unremarkable_ns(meter.cells(LABELS), Outcome.OK) is None)

    assert found == [False, True]
