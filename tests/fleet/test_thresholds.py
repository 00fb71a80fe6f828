"""What workers and the sidecar know of fleet.yaml, and how they judge a request by it."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferometer.catalog.labels import PRICE_KIND
from inferometer.catalog.stages import ANSWERED, Outcome
from inferometer.errors import StateError
from inferometer.fleet import durations, summary, thresholds
from inferometer.fleet.loader import load
from inferometer.fleet.model import PriceKind
from inferometer.fleet.thresholds import DEFAULT_TIMEOUT_NS, NOTHING, Objective, Price, Sli, Thresholds

EXAMPLE = Path(__file__).parents[2] / "examples/fleet.yaml"
MS = 1_000_000

times = st.integers(0, 10**12)
outcomes = st.sampled_from(Outcome)
first_chunks = st.none() | times


def objective(sli: Sli = Sli.LATENCY, threshold_ns: int | None = 250 * MS) -> Objective:
    return Objective(
        slo="s-m-o",
        service="s",
        model="m",
        name="o",
        sli=sli,
        threshold_ns=None if sli is Sli.AVAILABILITY else threshold_ns,
        target="99",
        window_ns=durations.parse("30d"),
    )


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (Outcome.OK, True),
        (Outcome.DEGRADED, True),
        (Outcome.SERVER_ERROR, False),
        (Outcome.TIMEOUT, False),
        (Outcome.REJECTED, False),
        (Outcome.CLIENT_ERROR, None),
        (Outcome.CANCELLED, None),
    ],
)
def test_availability_counts_failures_and_leaves_out_what_the_client_did(outcome, verdict):
    assert objective(Sli.AVAILABILITY).judge(outcome, 10**12, None) is verdict


@pytest.mark.parametrize("outcome", Outcome)
def test_an_answer_on_the_threshold_is_in_time_and_one_nanosecond_later_is_not(outcome):
    on_time = True if outcome in ANSWERED else None

    assert objective().judge(outcome, 250 * MS, None) is on_time
    assert objective().judge(outcome, 250 * MS + 1, None) is False


@pytest.mark.parametrize(
    ("duration_ms", "first_chunk_ms", "verdict"),
    [(9_000, 100, True), (9_000, 251, False), (100, None, True), (300, None, False)],
    ids=["long stream that starts early", "late start", "one piece", "one piece, late"],
)
def test_a_stream_is_judged_by_its_first_chunk_and_other_answers_are_their_own(duration_ms, first_chunk_ms, verdict):
    first_chunk_ns = None if first_chunk_ms is None else first_chunk_ms * MS

    assert objective(Sli.TIME_TO_FIRST_CHUNK).judge(Outcome.OK, duration_ms * MS, first_chunk_ns) is verdict


@given(sli=st.sampled_from(Sli), outcome=outcomes, duration=times, first_chunk=first_chunks, seen=times)
def test_who_was_counted_as_slow_while_open_is_judged_slow_at_the_end(sli, outcome, duration, first_chunk, seen):
    """So it makes no difference whether anybody looked while the request was open."""
    promise, seen = objective(sli), min(seen, duration)
    first_chunk = None if first_chunk is None else min(first_chunk, duration)
    known = first_chunk if first_chunk is not None and first_chunk <= seen else None

    if promise.crossed(seen, known):
        assert promise.judge(outcome, duration, first_chunk) is False


def test_thresholds_of_the_example_survive_their_file(tmp_path):
    made = summary.thresholds(load(EXAMPLE))
    path = tmp_path / "thresholds.json"
    path.write_text(thresholds.dumps(made))

    assert thresholds.read(path) == made


names = st.text(min_size=1, max_size=20)


@given(
    fleet=names, known=st.lists(names, max_size=4), timeouts=st.dictionaries(names, st.integers(1, 10**15)), price=names
)
def test_any_thresholds_survive_their_file(fleet, known, timeouts, price):
    made = Thresholds(
        fleet=fleet,
        objectives=(objective(), objective(Sli.AVAILABILITY)),
        timeouts_ns=timeouts,
        tenant_header="x-tenant",
        known_tenants=tuple(known),
        prices=(
            Price(kind="gpu", model=price, picodollars_per_hour=1, price_kind="spot", source=price, as_of="2026-10-01"),
        ),
    )

    assert thresholds.loads(thresholds.dumps(made)) == made


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "fleet": "x"}'])
def test_a_file_that_is_something_else_is_refused_by_name(tmp_path, text):
    path = tmp_path / "thresholds.json"
    path.write_text(text)

    with pytest.raises(StateError, match=r"thresholds\.json: not the thresholds that `inferometer generate` writes"):
        thresholds.read(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StateError, match=r"none\.json"):
        thresholds.read(tmp_path / "none.json")


@pytest.mark.parametrize(("named", "label"), [("acme", "acme"), ("mallory", "other"), ("", ""), (None, "")])
def test_only_known_tenants_have_series_of_their_own(named, label):
    assert summary.thresholds(load(EXAMPLE)).tenant(named) == label


def test_the_first_price_that_matches_counts_and_an_unknown_device_has_none():
    made = summary.thresholds(load(EXAMPLE))

    assert made.price("gpu", "NVIDIA H100 80GB HBM3").usd_per_hour == 2.99
    assert made.price("cpu", "whatever").picodollars_per_hour == 200_000_000_000
    assert made.price("gpu", "NVIDIA L4") is None


def test_buckets_hold_every_threshold_and_the_timeout():
    made = summary.thresholds(load(EXAMPLE))

    assert made.boundaries_ns("gateway", "/search") == (250 * MS, 10_000 * MS)
    assert made.boundaries_ns("unknown", "unknown") == (DEFAULT_TIMEOUT_NS,)


def test_without_a_file_nothing_is_promised():
    assert NOTHING.objectives_of("s", "m") == ()
    assert NOTHING.timeout_ns("s") == DEFAULT_TIMEOUT_NS
    assert NOTHING.tenant("acme") == "other"


def test_kinds_of_prices_are_those_of_the_label():
    assert tuple(kind.value for kind in PriceKind) == PRICE_KIND.values


def test_reading_thresholds_needs_no_yaml():
    code = "import sys, inferometer.fleet.thresholds; print('ruamel' in str(sorted(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert shown.strip() == "False"
