"""What workers and the sidecar know of fleet.yaml, and how they judge a request by it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.catalog.labels import PRICE_KIND
from inferometer.catalog.stages import ANSWERED, Outcome, Stage
from inferometer.errors import StateError
from inferometer.fleet import durations, summary, thresholds_file
from inferometer.fleet.devices import PriceKind
from inferometer.fleet.loader import load
from inferometer.fleet.objective import COUNTED, TIMES, Objective, Sli, Times
from inferometer.fleet.thresholds import NOTHING, Price, Thresholds
from inferometer.fleet.timeouts import DEFAULT_TIMEOUT_NS

EXAMPLE = Path(__file__).parents[2] / "examples/fleet.yaml"
MS = 1_000_000

times = st.integers(0, 10**12)
outcomes = st.sampled_from(Outcome)
first_chunks = st.none() | times


def objective(sli: Sli = Sli.LATENCY, threshold_ns: int | None = 250 * MS, **more: object) -> Objective:
    return Objective(
        slo="s-m-o",
        service="s",
        model="m",
        name="o",
        sli=sli,
        threshold_ns=threshold_ns if sli in TIMES else None,
        target="99",
        window_ns=durations.parse("30d"),
        **more,
    )


GOODPUT = {"within": ((Sli.TIME_TO_FIRST_TOKEN, 500 * MS), (Sli.TIME_PER_OUTPUT_TOKEN, 50 * MS))}
VERDICTS = [
    (Outcome.OK, True),
    (Outcome.DEGRADED, True),
    (Outcome.SERVER_ERROR, False),
    (Outcome.TIMEOUT, False),
    (Outcome.REJECTED, False),
    (Outcome.CLIENT_ERROR, None),
    (Outcome.CANCELLED, None),
]


@pytest.mark.parametrize(("outcome", "verdict"), VERDICTS)
def test_availability_counts_failures_and_leaves_out_what_the_client_did(outcome, verdict):
    assert objective(Sli.AVAILABILITY).judge(outcome, Times(10**12)) is verdict


@pytest.mark.parametrize("outcome", Outcome)
def test_an_answer_on_the_threshold_is_in_time_and_one_nanosecond_later_is_not(outcome):
    on_time = True if outcome in ANSWERED else None

    assert objective().judge(outcome, Times(250 * MS)) is on_time
    assert objective().judge(outcome, Times(250 * MS + 1)) is False


@pytest.mark.parametrize(
    ("duration_ms", "first_chunk_ms", "verdict"),
    [(9_000, 100, True), (9_000, 251, False), (100, None, True), (300, None, False)],
    ids=["long stream that starts early", "late start", "one piece", "one piece, late"],
)
def test_a_stream_is_judged_by_its_first_chunk_and_other_answers_are_their_own(duration_ms, first_chunk_ms, verdict):
    first_chunk = None if first_chunk_ms is None else first_chunk_ms * MS

    assert objective(Sli.TIME_TO_FIRST_CHUNK).judge(Outcome.OK, Times(duration_ms * MS, first_chunk)) is verdict


@pytest.mark.parametrize(
    ("taken", "verdict"),
    [
        (Times(9_000 * MS, 100 * MS, 251 * MS), False),
        (Times(9_000 * MS, 100 * MS, 250 * MS), True),
        (Times(9_000 * MS, 100 * MS), True),
        (Times(9_000 * MS), False),
        (Times(250 * MS), True),
    ],
    ids=[
        "a chunk without a token came first",
        "in time",
        "the token came with the chunk",
        "nobody saw it",
        "one piece",
    ],
)
def test_a_first_token_that_nobody_saw_was_there_with_the_first_chunk(taken, verdict):
    assert objective(Sli.TIME_TO_FIRST_TOKEN).judge(Outcome.OK, taken) is verdict


def test_one_stage_is_judged_whatever_the_whole_took():
    stages = [0] * (len(Stage) + 1)
    stages[Stage.QUEUE] = 251 * MS
    queue = objective(stage=Stage.QUEUE)

    assert queue.judge(Outcome.OK, Times(10**12, stages=stages)) is False
    stages[Stage.QUEUE] = 250 * MS
    assert queue.judge(Outcome.OK, Times(10**12, stages=stages)) is True
    assert not queue.crossed(10**12, None), "how long a stage takes is known at the end"


def test_answers_without_two_tokens_say_nothing_of_the_time_per_token():
    per_token = objective(Sli.TIME_PER_OUTPUT_TOKEN, 50 * MS)

    assert per_token.judge(Outcome.OK, Times(10**12)) is None
    assert per_token.judge(Outcome.OK, Times(10**12, per_token=50 * MS)) is True
    assert per_token.judge(Outcome.SERVER_ERROR, Times(10**12, per_token=51 * MS)) is False
    assert per_token.judge(Outcome.SERVER_ERROR, Times(10**12, per_token=50 * MS)) is None


@pytest.mark.parametrize(("outcome", "in_time"), VERDICTS)
def test_goodput_is_what_is_neither_late_nor_failed(outcome, in_time):
    goodput = objective(Sli.GOODPUT, **GOODPUT)

    assert goodput.judge(outcome, Times(10**12, None, 500 * MS, 50 * MS)) is in_time
    assert goodput.judge(outcome, Times(10**12, None, 501 * MS, 50 * MS)) is False
    assert goodput.judge(outcome, Times(10**12, None, 500 * MS, 51 * MS)) is False
    assert goodput.judge(outcome, Times(500 * MS)) is in_time, "an answer in one piece has no time per token"


@given(
    sli=st.sampled_from(COUNTED),
    outcome=outcomes,
    duration=times,
    first=st.tuples(first_chunks, first_chunks),
    seen=times,
)
def test_who_was_counted_as_slow_while_open_is_judged_slow_at_the_end(sli, outcome, duration, first, seen):
    """So it makes no difference whether anybody looked while the request was open."""
    promise = objective(sli, **(GOODPUT if sli is Sli.GOODPUT else {}))
    seen = min(seen, duration)
    # The first token is seen no later than the chunk that it comes with, where it is seen at all.
    chunk, token = (None if at is None else min(at, duration) for at in first)
    known = [at if at is not None and at <= seen else None for at in (chunk, token)]

    if promise.crossed(seen, *known) and (chunk is None or token is None or chunk <= token):
        assert promise.judge(outcome, Times(duration, chunk, token)) is False


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        ({}, True),
        ({"tenant": "acme"}, True),
        ({"tenant": "globex"}, False),
        ({"tenant": "acme", "version": "v2"}, False),
        ({"version": "v1", "request_class": "batch"}, True),
        ({"request_class": "interactive"}, False),
    ],
)
def test_a_scope_says_which_requests_an_objective_is_about(scope, covered):
    assert objective(**scope).covers(tenant="acme", version="v1", request_class="batch") is covered


def test_thresholds_of_the_example_survive_their_file(tmp_path):
    made = summary.thresholds(load(EXAMPLE))
    path = tmp_path / "thresholds.json"
    path.write_text(thresholds_file.dumps(made))

    assert thresholds_file.read(path) == made


names = st.text(min_size=1, max_size=20)


@given(
    fleet=names, known=st.lists(names, max_size=4), timeouts=st.dictionaries(names, st.integers(1, 10**15)), price=names
)
def test_any_thresholds_survive_their_file(fleet, known, timeouts, price):
    made = Thresholds(
        fleet=fleet,
        objectives=(
            objective(),
            objective(Sli.AVAILABILITY, tenant="acme", version="v2", request_class="batch"),
            objective(Sli.GOODPUT, **GOODPUT),
            objective(stage=Stage.QUEUE),
        ),
        timeouts_ns=timeouts,
        tenant_header="x-tenant",
        known_tenants=tuple(known),
        prices=(
            Price(kind="gpu", model=price, picodollars_per_hour=1, price_kind="spot", source=price, as_of="2026-10-01"),
        ),
    )

    assert thresholds_file.loads(thresholds_file.dumps(made)) == made


def test_thresholds_of_before_there_were_stages_and_scopes_are_read():
    entry = {
        "slo": "s-m-o", "service": "s", "model": "m", "objective": "o", "sli": "latency", "threshold_ns": 250 * MS,
        "target": "99", "window_ns": durations.parse("30d"),
    }  # fmt: skip
    document = {
        "format": 2, "fleet": "f", "tenants": {"header": None, "known": []}, "timeouts_ns": {}, "objectives": [entry],
        "prices": [],
    }  # fmt: skip

    assert thresholds_file.loads(json.dumps(document)).objectives == (objective(),)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "fleet": "x"}'])
def test_a_file_that_is_something_else_is_refused_by_name(tmp_path, text):
    path = tmp_path / "thresholds.json"
    path.write_text(text)

    with pytest.raises(StateError, match=r"thresholds\.json: not the thresholds that `inferometer generate` writes"):
        thresholds_file.read(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StateError, match=r"none\.json"):
        thresholds_file.read(tmp_path / "none.json")


@pytest.mark.parametrize(("named", "label"), [("acme", "acme"), ("mallory", "other"), ("", ""), (None, "")])
def test_only_known_tenants_have_series_of_their_own(named, label):
    assert summary.thresholds(load(EXAMPLE)).tenant(named) == label


def test_the_first_price_that_matches_counts_and_an_unknown_device_has_none():
    made = summary.thresholds(load(EXAMPLE))

    assert made.price("gpu", "NVIDIA H100 80GB HBM3").usd_per_hour == 2.99
    assert made.price("cpu", "whatever").picodollars_per_hour == 200_000_000_000
    assert made.price("gpu", "NVIDIA L4") is None


def test_without_a_file_nothing_is_promised():
    assert NOTHING.objectives_of("s", "m") == ()
    assert NOTHING.timeout_ns("s") == DEFAULT_TIMEOUT_NS
    assert NOTHING.tenant("acme") == "other"


def test_kinds_of_prices_are_those_of_the_label():
    assert tuple(kind.value for kind in PriceKind) == PRICE_KIND.values


@pytest.mark.processes
def test_reading_thresholds_needs_no_yaml():
    code = "import sys, inferometer.fleet.thresholds; print('ruamel' in str(sorted(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert shown.strip() == "False"
