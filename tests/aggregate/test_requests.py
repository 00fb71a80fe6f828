"""Which series a request feeds."""

from dataclasses import replace

import pytest

from inferometer.aggregate import Aggregator, RequestMeter, exact_bounds
from inferometer.catalog import requests
from inferometer.catalog.stages import Outcome, Stage
from inferometer.errors import StateError
from inferometer.fleet.objective import Objective, Sli
from inferometer.fleet.thresholds import Thresholds
from inferometer.record.model import Batch, Flag, Interval, Labels, Moment, RequestRecord
from inferometer.record.partition import partition

MS = 1_000_000
LABELS = Labels(service="svc", model="m", tenant="acme", request_class="interactive", route="/predict")
THRESHOLDS = Thresholds(
    known_tenants=("acme",),
    timeouts_ns={"svc": 9_000 * MS},
    objectives=tuple(
        Objective(
            slo=f"svc-m-{sli.value}", service="svc", model="m", name=sli.value, sli=sli,
            threshold_ns=None if sli is Sli.AVAILABILITY else 250 * MS, target="99", window_ns=1,
        )
        for sli in (Sli.AVAILABILITY, Sli.LATENCY, Sli.TIME_TO_FIRST_CHUNK)
    ),
)  # fmt: skip


class Meter:
    """A meter with a page to read."""

    def __init__(self, thresholds: Thresholds = THRESHOLDS) -> None:
        self.aggregator = Aggregator(extra_bounds=exact_bounds(thresholds))
        self.meter = RequestMeter(self.aggregator, thresholds)

    def finish(self, **changes: object) -> None:
        made = record(**changes)
        self.meter.finished(made, partition(made))

    def values(self, entry) -> dict[tuple[str, ...], int]:
        families = {family.entry.name: family for family in self.aggregator.snapshot().families}
        if entry.name not in families:
            return {}
        return {s.labels: getattr(s, "value", getattr(s, "count", None)) for s in families[entry.name].samples}

    def slo(self, result: str) -> dict[str, int]:
        found = self.values(requests.SLO_EVENTS)
        return {labels[5].removeprefix("svc-m-"): value for labels, value in found.items() if labels[6] == result}


def record(*, duration: int = 10 * MS, **changes: object) -> RequestRecord:
    stamps = [0] * len(Moment)
    stamps[Moment.ENTRY], stamps[Moment.RESPOND] = 1_000 * MS, 1_000 * MS + duration
    stamps[Moment.LAST] = stamps[Moment.DONE] = 1_000 * MS + duration
    for moment, at in changes.pop("stamps", {}).items():
        stamps[moment] = 1_000 * MS + at
    given = {"trace_id": 1, "span_id": 2, "labels": LABELS, "outcome": Outcome.OK, "flags": Flag.ENTRY, **changes}
    return RequestRecord(stamps=stamps, **given)


def test_every_outcome_exists_with_the_first_request():
    meter = Meter()
    meter.finish()

    found = {labels[6]: value for labels, value in meter.values(requests.REQUESTS).items()}

    assert found == {**{outcome.label: 0 for outcome in Outcome}, "ok": 1}


def test_both_results_of_every_objective_exist_with_the_first_request():
    meter = Meter()
    meter.finish()

    assert meter.slo("good") == {"availability": 1, "latency": 1, "time_to_first_chunk": 1}
    assert meter.slo("bad") == {"availability": 0, "latency": 0, "time_to_first_chunk": 0}


def test_a_slow_answer_is_bad_for_latency_and_good_for_availability():
    meter = Meter()
    meter.finish(duration=250 * MS)
    meter.finish(duration=250 * MS + 1)

    assert meter.slo("good") == {"availability": 2, "latency": 1, "time_to_first_chunk": 1}
    assert meter.slo("bad") == {"availability": 0, "latency": 1, "time_to_first_chunk": 1}


def test_a_threshold_is_a_boundary_of_the_classic_histogram_exactly():
    meter = Meter()
    for duration in (250 * MS - 1, 250 * MS, 250 * MS + 1):
        meter.finish(duration=duration)

    cell = meter.aggregator.histogram(requests.REQUEST_DURATION, ("svc", "m", "", ""))

    assert sum(cell.classic[: cell.layout.classic.index(250 * MS) + 1]) == 2
    assert 9_000 * MS in cell.layout.classic


def test_stages_of_a_request_sum_to_its_duration_and_those_that_did_not_occur_are_absent():
    meter = Meter()
    begin = 1_000 * MS
    meter.finish(intervals=(Interval(start=begin + MS, end=begin + 3 * MS, stage=Stage.PREPROCESS),))

    found = meter.values(requests.STAGE_DURATION)

    assert {labels[4] for labels in found} == {"preprocess", "handler"}
    cells = [meter.aggregator.histogram(requests.STAGE_DURATION, labels) for labels in found]
    assert sum(cell.total for cell in cells) == 10 * MS


def test_a_warm_up_request_is_outside_every_other_series():
    meter = Meter()
    meter.finish(flags=Flag.WARMUP, tokens_in=5)

    shown = {f.entry for f in meter.aggregator.snapshot().families for s in f.samples if getattr(s, "value", 1)}

    assert shown == {requests.WARMUP_REQUESTS}


def test_an_unknown_tenant_is_other_and_none_is_empty():
    meter = Meter()
    for tenant in ("acme", "somebody", ""):
        meter.finish(labels=Labels(service="svc", model="m", tenant=tenant))

    assert {labels[4] for labels in meter.values(requests.REQUESTS)} == {"acme", "other", ""}


def test_a_model_that_nobody_names_is_called_by_its_route():
    meter = Meter()
    meter.finish(labels=Labels(service="svc", model="", route="/predict"))

    assert ("svc", "/predict", "", "") in meter.values(requests.REQUEST_DURATION)


def test_an_open_request_is_counted_slow_once_and_not_again_at_its_end():
    meter = Meter()

    def look(open_ns: int) -> bool:
        return meter.meter.still_open(LABELS, 2, Flag.ENTRY, open_ns=open_ns, first_chunk_ns=None)

    assert not look(250 * MS)
    assert look(251 * MS)
    assert not look(500 * MS)
    meter.finish(duration=600 * MS, outcome=Outcome.CANCELLED)
    meter.finish(duration=600 * MS, span_id=3)

    assert meter.slo("bad") == {"availability": 0, "latency": 2, "time_to_first_chunk": 2}


def test_a_stream_that_began_in_time_is_slow_for_latency_only():
    meter = Meter()

    meter.meter.still_open(LABELS, 2, Flag.STREAM, open_ns=400 * MS, first_chunk_ns=20 * MS)

    assert meter.slo("bad") == {"availability": 0, "latency": 1, "time_to_first_chunk": 0}


def test_what_an_open_request_was_counted_for_survives_a_restart():
    meter = Meter()
    meter.meter.still_open(LABELS, 2, Flag.ENTRY, open_ns=400 * MS, first_chunk_ns=None)
    other = Meter()
    other.aggregator.load(meter.aggregator.dump())
    other.meter.load(meter.meter.dump())

    other.finish(duration=600 * MS)

    assert other.slo("bad")["latency"] == 1


def test_an_open_warm_up_request_is_never_slow():
    meter = Meter()

    assert not meter.meter.still_open(LABELS, 2, Flag.WARMUP, open_ns=900 * MS, first_chunk_ns=None)


def test_a_stream_without_tokens_is_measured_to_its_first_chunk():
    meter = Meter()
    meter.finish(flags=Flag.STREAM, stamps={Moment.FIRST_CHUNK: 4 * MS})

    cell = meter.aggregator.histogram(requests.TIME_TO_FIRST_CHUNK, ("svc", "m", "", ""))
    assert (cell.count, cell.total) == (1, 4 * MS)
    assert not meter.values(requests.TIME_TO_FIRST_TOKEN)


def test_a_stream_of_tokens_is_measured_to_its_first_token_and_per_further_token():
    meter = Meter()
    meter.finish(flags=Flag.STREAM, stamps={Moment.FIRST_CHUNK: 4 * MS, Moment.FIRST_TOKEN: 4 * MS}, tokens_out=4)

    per_token = meter.aggregator.histogram(requests.TIME_PER_OUTPUT_TOKEN, ("svc", "m", "", ""))
    assert per_token.total == 2 * MS
    assert not meter.values(requests.TIME_TO_FIRST_CHUNK)
    assert meter.values(requests.TOKENS) == {("svc", "m", "", "", "acme", "output"): 4}


def test_time_per_output_token_ends_with_the_last_token_where_it_is_known():
    meter = Meter()
    stamps = {Moment.FIRST_TOKEN: 1 * MS}
    meter.finish(stamps=stamps, last_token=1_004 * MS, tokens_out=4)
    # All of them came at once: that says nothing of the time that one takes.
    meter.finish(stamps=stamps, last_token=1_001 * MS, tokens_out=4)

    per_token = meter.aggregator.histogram(requests.TIME_PER_OUTPUT_TOKEN, ("svc", "m", "", ""))
    assert (per_token.count, per_token.total) == (1, 1 * MS)


def test_times_between_tokens_are_counted_as_if_each_were_observed():
    times = [0, 0, 1_500, MS - 1, MS, 3 * MS, 3 * MS, 70_000 * MS]
    one, binned = Meter(), Meter()
    cell = one.aggregator.histogram(requests.INTER_TOKEN, ("svc", "m", "", ""))
    for time in times:
        cell.observe(time)
    gaps = tuple((cell.layout.index(time), 1) for time in times)
    binned.finish(stamps={Moment.FIRST_TOKEN: 2 * MS}, last_token=1_002 * MS + sum(times), gaps=gaps)

    found = binned.aggregator.histogram(requests.INTER_TOKEN, ("svc", "m", "", ""))
    assert (found.count, found.total, found.zero) == (cell.count, cell.total, cell.zero)
    assert (found.sketch, found.classic) == (cell.sketch, cell.classic)


def test_a_bucket_beyond_the_last_counts_as_the_last():
    meter = Meter()
    meter.finish(gaps=((10**6, 3),))

    cell = meter.aggregator.histogram(requests.INTER_TOKEN, ("svc", "m", "", ""))
    assert cell.sketch == {len(cell.layout.bounds) - 1: 3}
    assert cell.classic[-1] == 3


def test_every_classic_boundary_of_times_between_tokens_is_one_of_the_sketch():
    layout = Meter().aggregator.layout(requests.INTER_TOKEN)

    assert set(layout.classic) <= set(layout.bounds)


def test_batches_are_counted():
    meter = Meter()
    meter.meter.batch(Batch(batch_id=1, labels=LABELS, opened=1, start=2, end=3, size=4, capacity=8, reason="timeout"))

    assert meter.values(requests.BATCHES) == {("svc", "m", "", "", "timeout"): 1}
    assert meter.values(requests.BATCH_SIZE) == {("svc", "m", "", ""): 1}


def test_bytes_that_are_no_counted_requests_are_refused():
    with pytest.raises(StateError, match="counted requests"):
        Meter().meter.load(b"[]")


def asked(sli: Sli, **more: object) -> Thresholds:
    objective = Objective(slo="svc-m-o", service="svc", model="m", name="o", sli=sli, target="99", window_ns=1, **more)
    return Thresholds(known_tenants=("acme",), objectives=(objective,))


@pytest.mark.parametrize(
    ("scope", "counted"),
    [
        ({"tenant": "acme"}, 1),
        ({"tenant": "other"}, 1),
        ({"version": "v2"}, 1),
        ({"request_class": "interactive"}, 2),
        ({"tenant": "acme", "request_class": "batch"}, 0),
    ],
)
def test_an_objective_of_some_requests_has_events_of_those_alone(scope, counted):
    meter = Meter(asked(Sli.AVAILABILITY, threshold_ns=None, **scope))
    meter.finish()
    meter.finish(labels=Labels(service="svc", model="m", version="v2", tenant="x", request_class="interactive"))

    good = [value for labels, value in meter.values(requests.SLO_EVENTS).items() if labels[6] == "good"]
    assert sum(good) == counted
    assert bool(meter.slo("bad")) is bool(counted), "nor is there a series of those that it is not about"


def test_an_open_request_without_a_token_is_late_for_its_first_one_only_once():
    meter = Meter(asked(Sli.TIME_TO_FIRST_TOKEN, threshold_ns=250 * MS))

    def look(open_ns: int, token_ns: int | None) -> bool:
        return meter.meter.still_open(LABELS, 2, 0, open_ns=open_ns, first_chunk_ns=None, first_token_ns=token_ns)

    assert not look(300 * MS, 100 * MS), "the token came in time, the answer is sent in one piece"
    assert look(300 * MS, None)
    meter.finish(duration=600 * MS)

    assert meter.slo("bad") == {"o": 1}


def test_a_limit_is_a_boundary_of_the_histogram_of_its_own_time():
    stage = exact_bounds(asked(Sli.LATENCY, threshold_ns=7 * MS, stage=Stage.QUEUE))
    within = ((Sli.TIME_TO_FIRST_TOKEN, 8 * MS), (Sli.TIME_PER_OUTPUT_TOKEN, 9 * MS))
    goodput = exact_bounds(asked(Sli.GOODPUT, threshold_ns=None, within=within))

    assert stage[requests.STAGE_DURATION.name] == (7 * MS,)
    assert 7 * MS not in stage[requests.REQUEST_DURATION.name]
    assert goodput[requests.TIME_TO_FIRST_TOKEN.name] == (8 * MS,)
    assert goodput[requests.TIME_PER_OUTPUT_TOKEN.name] == (9 * MS,)


def test_buckets_are_exact_at_every_threshold_and_every_timeout():
    thresholds = replace(asked(Sli.LATENCY, threshold_ns=250 * MS), timeouts_ns={"slow": 90_000 * MS})

    bounds = exact_bounds(thresholds)
    assert bounds[requests.REQUEST_DURATION.name] == (250 * MS, thresholds.timeout_ns(""), 90_000 * MS)
    assert bounds[requests.TIME_TO_FIRST_CHUNK.name] == (thresholds.timeout_ns(""), 90_000 * MS)
