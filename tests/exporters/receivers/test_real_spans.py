"""Spans that engines themselves sent (tests/data/engine_spans/SOURCES.md), through everything behind the ports."""

from pathlib import Path

import pytest

from inferometer.catalog.labels import PORT
from inferometer.catalog.phases import Phase
from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.fleet.thresholds import NOTHING
from inferometer.record.model import Flag
from inferometer_exporters.naming import Naming
from inferometer_exporters.receivers import messages
from inferometer_exporters.receivers.enrichment import Home
from inferometer_exporters.receivers.foreign import Foreign
from inferometer_exporters.receivers.inbox import Inbox
from inferometer_exporters.receivers.taking import Taking
from inferometer_exporters.recorder.store import Recorder
from inferometer_exporters.tally import Tally

FOLDER = Path(__file__).parents[2] / "data/engine_spans"
SECOND = 10**9
MILLISECOND = 10**6
UP_NS = 20 * 365 * 24 * 3_600 * 10**9
"""Of a machine that has been up since long before they were captured, whatever this one says."""


@pytest.fixture
def made_of(tmp_path):
    """What a pass makes of the spans of a file."""
    recorder = Recorder(tmp_path / "recorder.duckdb")
    naming = Naming(recorder, NOTHING)

    def release(name):
        inbox = Inbox(1 << 30)
        Taking(inbox, Tally(), PORT.values[3]).take((FOLDER / name).read_bytes(), messages.from_json, near=True)
        foreign = Foreign(inbox, recorder, naming, home=Home(host="box"), only_model={"llm": "words"}.get)
        return foreign.release(UP_NS, 0, everything=True)

    def labels(made):
        of = [naming.labels(number) for number in made.requests["labels"].tolist()]
        return [(one.service, one.model, one.version) for one in of]

    def routes(made):
        return [naming.labels(number).route for number in made.requests["labels"].tolist()]

    release.labels, release.routes = labels, routes
    yield release
    recorder.close()


def test_the_start_of_a_real_vllm_is_one_cold_start_with_its_parts(made_of):
    (found,) = made_of("vllm-0.32.0-start.json").starts
    runs = {run.phase: (run.model, (run.end - run.start) / SECOND) for run in found.start.phases}

    assert found.resource.service == "llm"
    assert runs.keys() == {Phase.STARTUP, Phase.MODEL_LOAD, Phase.ALLOCATE}
    assert runs[Phase.STARTUP] == ("", pytest.approx(124.084, abs=0.001))
    assert runs[Phase.MODEL_LOAD] == ("words", pytest.approx(2.350, abs=0.001))
    assert runs[Phase.ALLOCATE] == ("", pytest.approx(0.016, abs=0.001))


def test_a_real_vllm_whose_engine_did_not_come_up_has_not_started(made_of):
    assert made_of("vllm-0.32.0-start-that-failed.json").starts == []


def test_requests_of_a_real_vllm_are_queue_prefill_and_decode(made_of):
    made = made_of("vllm-0.32.0-requests.json")
    rows = made.intervals
    took = ((rows["end"] - rows["start"]) / SECOND).round(3)
    tokens = made.requests["tokens_in"].tolist(), made.requests["tokens_out"].tolist()

    def seconds(stage, kind):
        return took[(rows["stage"] == stage) & (rows["kind"] == kind)].tolist()

    assert tokens == ([21, 20, 22, 23, 21, 22], [20, 20, 20, 20, 250, 250])
    assert seconds(Stage.QUEUE, Kind.ENGINE) == [0.0] * 6
    assert seconds(Stage.EXECUTE, Kind.PREFILL) == [0.199, 0.199, 0.033, 0.042, 0.170, 0.065]
    assert seconds(Stage.EXECUTE, Kind.DECODE) == [1.162, 1.162, 0.480, 0.486, 35.874, 35.942]


def test_requests_of_a_real_dynamo_are_its_frontends_and_its_workers_below_whoever_called_it(made_of):
    made = made_of("dynamo-1.4.2.json")
    requests, rows = made.requests, made.intervals
    by_span = {
        f"{span:016x}": (f"{parent:016x}", bool(flags & Flag.ENTRY), duration)
        for span, parent, flags, duration in zip(
            requests["span_id"].tolist(), requests["parent_id"].tolist(), requests["flags"].tolist(),
            ((requests["last"] - requests["entry"]) / MILLISECOND).round(1).tolist(), strict=True,
        )
    }  # fmt: skip

    def milliseconds(span, stage):
        mine = (rows["span_id"] == int(span, 16)) & (rows["stage"] == stage)
        return [
            ((begin - first) / MILLISECOND, (end - first) / MILLISECOND)
            for begin, end in zip(rows["start"][mine].tolist(), rows["end"][mine].tolist(), strict=True)
            for first in [requests["entry"][requests["span_id"] == int(span, 16)].item()]
        ]

    # Three answered requests, two of them of a caller that sent its traceparent, each with what its worker did. What
    # a router asked its worker for, and a model that is not there, are none.
    assert by_span == {
        "960206f0eef7e5c7": ("0" * 16, True, 125.6),
        "ed02c9b39017144a": ("e80a31a46f6c6d9e", False, 72.1),
        "1c4fb0e19455b7dc": ("b7ad6b7169203331", True, 29.3),
        "279a90e17f64cb6f": ("112623a20f395ebb", False, 25.2),
        "506c7b203f7800b9": ("b7ad6b7169203331", True, 27.2),
        "cf249df180cd00f7": ("a9a740e2ec5f0c3e", False, 25.6),
    }
    choosing = milliseconds("960206f0eef7e5c7", Stage.QUEUE)
    away = milliseconds("960206f0eef7e5c7", Stage.REMOTE)
    assert (min(choosing)[0], max(end for _, end in choosing)) == pytest.approx((4.87, 15.67), abs=0.01)
    assert (min(away)[0], max(end for _, end in away)) == pytest.approx((15.69, 97.69), abs=0.01)


def test_requests_of_a_real_triton_are_queue_compute_and_answer(made_of):
    made = made_of("triton-2.51.0.json")
    requests, rows = made.requests, made.intervals
    took = ((rows["end"] - rows["start"]) / MILLISECOND).round(2)

    def milliseconds(stage, kind):
        return took[(rows["stage"] == stage) & (rows["kind"] == kind)].tolist()

    # All of its spans are SERVER spans; one of three is the request. The third was answered with an error, which it
    # does not say; the input of the fourth was none.
    assert [f"{parent:016x}" for parent in requests["parent_id"].tolist()] == ["0" * 16] * 4 + ["b7ad6b7169203331"]
    assert [bool(flags & Flag.ENTRY) for flags in requests["flags"].tolist()] == [True] * 5
    assert requests["outcome"].tolist() == [Outcome.OK] * 3 + [Outcome.CLIENT_ERROR, Outcome.OK]
    assert made_of.labels(made) == [("flowers", "iris", "1")] * 3 + [("flowers", "", ""), ("flowers", "iris", "1")]
    assert milliseconds(Stage.QUEUE, Kind.BATCH_WAIT) == [0.07, 0.07, 0.06, 0.08]
    assert milliseconds(Stage.EXECUTE, Kind.COPY_IN) == [0.15, 0.04, 0.04, 0.05]
    assert milliseconds(Stage.EXECUTE, Kind.NONE) == [185.21, 279.87, 153.8, 134.77]
    assert milliseconds(Stage.EXECUTE, Kind.COPY_OUT) == [0.12, 0.28, 0.09, 0.21]
    assert milliseconds(Stage.NETWORK, Kind.SEND) == [0.02, 0.02, 0.02, 0.02]


def test_requests_of_a_real_ray_serve_have_its_deployment_their_status_and_the_way_to_the_replica(made_of):
    made = made_of("ray-serve-2.60.0.json")
    requests, rows = made.requests, made.intervals
    took = ((rows["end"] - rows["start"]) / MILLISECOND).round(1).tolist()

    # All of its spans are SERVER spans; one of three is the request. What was asked for is no route.
    assert made_of.labels(made) == [("garden", "flowers", "")] * 5
    assert made_of.routes(made) == ["/"] * 5
    assert requests["status"].tolist() == [200, 500, 200, 200, 500]
    assert requests["outcome"].tolist() == [
        Outcome.OK, Outcome.SERVER_ERROR, Outcome.OK, Outcome.OK, Outcome.SERVER_ERROR
    ]  # fmt: skip
    assert [f"{parent:016x}" for parent in requests["parent_id"].tolist()].count("b7ad6b7169203331") == 1
    assert set(rows["kind"].tolist()) == {Kind.ENGINE}
    assert took == [5.1, 2.2, 2.3, 1.6, 4.6]


def test_requests_that_sglangs_own_code_traced_are_its_stages_with_tokens_and_model(made_of):
    """One of six: a prompt of 4,000 tokens in two chunks, between the answers of others."""
    made = made_of("sglang-0.5.23.json")
    assert made_of.labels(made) == [("sglang", "toy", "")] * 6
    assert set(made_of.routes(made)) == {"Req"}
    at = made.requests["tokens_in"].tolist().index(4_000)
    mine = made.intervals["span_id"] == made.requests["span_id"][at]
    columns = (made.intervals[name][mine].tolist() for name in ("stage", "kind", "start", "end"))
    first = [
        (Stage(stage), Kind(kind), (end - start) / MILLISECOND)
        for stage, kind, start, end in zip(*columns, strict=True)
    ]
    parts = {
        (stage, kind): max(ms for other, of, ms in first if (other, of) == (stage, kind)) for stage, kind, _ in first
    }

    # One by its prompt, two by the batches that it was in (sglang-0.5.23-steps.json).
    assert made.requests["tokens_out"][at] == 3
    # Two chunks of 44 ms on the device, behind a step of 4 ms that was there first.
    assert parts[Stage.EXECUTE, Kind.PREFILL] == pytest.approx(92, abs=3)
    assert parts[Stage.PREPROCESS, Kind.NONE] == pytest.approx(1, abs=0.1)
    assert parts[Stage.EXECUTE, Kind.DECODE] == pytest.approx(55, abs=1)
