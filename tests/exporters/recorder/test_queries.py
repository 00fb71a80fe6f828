"""What the recorder answers, of requests that are known."""

import pytest

from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.record.model import Labels
from inferometer.wire.layout import EXTERNAL_IDS
from inferometer_exporters.recorder import queries
from inferometer_exporters.recorder.hops import Wanted, hops
from inferometer_exporters.recorder.traces import trace


@pytest.fixture(scope="module")
def filled(lasting_bench, make):
    """100 requests through a gateway to an embedder; the slowest waits in a queue. One of each is a failure."""
    bench = lasting_bench
    worker, now = make.worker(), bench.clock.now
    requests, executes, calls, intervals = [], [], [], []
    for number in range(1, 101):
        took = 10 * make.MS + number * make.MS // 10 + (200 * make.MS if number == 100 else 0)
        begin = now + number * 10 * make.MS
        child, parent, attempt = 1_000 + number, 2_000 + number, 3_000 + number
        outcome = 3 if number == 50 else 0
        requests += [
            make.request(
                child, begin + make.MS, begin + took, parent_id=attempt, flags=0, trace=number, outcome=outcome
            ),
            make.request(parent, begin, begin + took + make.MS, shape=1 if number % 2 else 3, trace=number),
        ]
        if number == 100:
            wait = (begin + 2 * make.MS, begin + 180 * make.MS)
            intervals.append(make.interval(child, *wait, Stage.QUEUE, Kind.BATCH_WAIT))
        executes.append(make.execute(child, begin + took - 5 * make.MS, begin + took))
        calls.append(make.call(parent, attempt, begin, begin + took))
    tables = {"requests": requests, "executes": executes, "calls": calls, "intervals": intervals}
    warm = make.request(9, now, now + 9 * make.SECOND, flags=3, trace=500)
    tables["requests"] = [*requests, warm]
    bench.do_pass(worker.arrival(now + 10 * make.SECOND, **tables), seconds=10)
    for _ in range(4):
        bench.do_pass(worker.arrival(bench.clock.now + make.SECOND), seconds=1)
    cursor = bench.recorder.cursor()
    yield cursor
    cursor.close()


def test_models_have_percentiles_stages_and_what_dominates_the_tail(filled):
    gateway, embedder = queries.models(filled)

    assert (gateway["service"], gateway["model"], gateway["requests"]) == ("gateway", "/search", 100)
    assert (embedder["service"], embedder["model"], embedder["version"]) == ("embedder", "minilm", "v1")
    assert embedder["outcomes"] == {"ok": 99, "server_error": 1}
    assert embedder["p50_seconds"] == pytest.approx(0.01405, abs=0.001)
    assert embedder["p999_seconds"] > 0.15
    assert sum(embedder["stages"].values()) == pytest.approx(1)
    assert embedder["tail"][0]["stage"] == "queue"
    assert embedder["tail"][0]["kind"] == "batch"
    assert embedder["tail"][0]["share"] > 0.8
    assert gateway["tail"][0]["stage"] == "remote"
    assert gateway["callee"] == "embedder"
    assert gateway["cost_usd_per_1k"] == 0
    assert embedder["cost_usd"] == pytest.approx(100 * 0.005 * 0.001)
    assert embedder["cost_usd_per_1k"] == pytest.approx(0.005)
    unknown = ("first_token", "time_per_output_token", "tokens_in", "tokens_out")
    assert [embedder[name] for name in unknown] == [None] * 4


def test_objectives_are_judged_as_the_series_are(filled, make):
    available, fast = queries.objectives(filled, make.THRESHOLDS)

    assert (available["good"], available["bad"]) == (99, 1)
    assert (fast["good"], fast["bad"], fast["threshold_seconds"]) == (98, 1, 0.1)


def test_costs_follow_the_tenant_of_the_entry_hop(filled):
    found = {(cost["service"], cost["tenant"]): cost for cost in queries.costs(filled)}

    assert found["embedder", "acme"]["requests"] == 50
    assert found["embedder", "other"]["requests"] == 50
    assert found["embedder", "acme"]["cost_usd"] == pytest.approx(50 * 0.005 * 0.001)


def test_devices_show_price_ledger_and_idle_share(filled):
    (device,) = queries.devices(filled)

    assert device["device"] == "box"
    assert device["usd_per_hour"] == 3.6
    assert device["residual_ratio"] == 0
    assert device["ledger_seconds"]["attributed"] == pytest.approx(0.5)
    assert device["bill_usd"] == pytest.approx(sum(device["ledger_seconds"].values()) * 0.001)
    assert device["idle_ratio"] == pytest.approx(1 - 0.5 * 0.001 / device["bill_usd"])


def test_a_window_has_only_what_began_in_it(filled, lasting_bench, make):
    since = lasting_bench.clock.wall() - int(13.5 * make.SECOND)
    everything = queries.summary(filled, make.THRESHOLDS)
    window = queries.summary(filled, make.THRESHOLDS, since_ns=since)
    spent = [sum(answer["devices"][0]["ledger_seconds"].values()) for answer in (window, everything)]

    assert everything["requests"] == 100
    assert everything["hops"] == 200
    assert everything["recorded_requests"] == 201
    assert everything["kept_traces"] > 0
    assert 0 < window["requests"] < 100
    assert spent[0] < spent[1]


def test_the_slowest_are_entry_hops_in_order(filled):
    first, second = queries.slowest(filled, 2)

    assert first["trace_id"] == f"{0xABC << 64 | 100:032x}"
    assert first["service"] == "gateway"
    assert first["duration_seconds"] == pytest.approx(0.221)
    assert first["duration_seconds"] > second["duration_seconds"]


def test_a_trace_has_its_hops_linked_with_segments_calls_and_runs(filled):
    answer = trace(filled, f"{0xABC << 64 | 100:x}")

    assert answer is not None
    parent, child = answer["hops"]
    assert parent["parent_span_id"] == ""
    assert child["parent_span_id"] == parent["span_id"]
    assert child["start_seconds"] == pytest.approx(0.001)
    assert sum(child["stages"].values()) == pytest.approx(child["duration_seconds"])
    assert [segment["stage"] for segment in child["segments"]] == ["handler", "queue", "handler", "execute"]
    assert child["segments"][1]["kind"] == "batch"
    assert parent["calls"][0]["target"] == "127.0.0.1:8101"
    assert parent["calls"][0]["outcome"] == ""
    assert child["executes"][0]["device"] == "box"
    assert answer["cost_usd"] == pytest.approx(0.005 * 0.001)
    assert answer["device_seconds"] == pytest.approx(0.005)
    assert (answer["unpriced_devices"], answer["energy_joules"]) == ([], None)
    assert (child["device"], child["device_state"]) == ("box", None)
    assert answer["kept"] == "slow"


def test_a_hop_that_streamed_tokens_says_when_they_came_and_how_many(bench, make):
    worker, now = make.worker(), bench.clock.now
    streamed = make.request(
        7, now, now + 100 * make.MS, first_token=now + 20 * make.MS, last_token=now + 80 * make.MS, tokens_in=9,
        tokens_out=4, trace=1,
    )  # fmt: skip
    plain = make.request(8, now, now + 100 * make.MS, trace=2)
    bench.do_pass(worker.arrival(now + make.SECOND, requests=[streamed, plain]), seconds=1)
    bench.do_pass(worker.arrival(now + 10 * make.SECOND), seconds=9)
    cursor = bench.recorder.cursor()
    (model,) = queries.models(cursor)
    (one,), (other,) = (trace(cursor, f"{0xABC << 64 | number:x}")["hops"] for number in (1, 2))
    cursor.close()

    assert one["first_token_seconds"] == pytest.approx(0.02)
    assert one["time_per_output_token_seconds"] == pytest.approx(0.02)
    assert (one["tokens_in"], one["tokens_out"]) == (9, 4)
    assert (model["tokens_in"], model["tokens_out"]) == (9, 4)
    assert model["first_token"]["p99_seconds"] == model["time_per_output_token"]["p50_seconds"] == pytest.approx(0.02)
    unknown = ("first_token_seconds", "time_per_output_token_seconds", "tokens_in", "tokens_out")
    assert [other[name] for name in unknown] == [None] * 4


@pytest.mark.parametrize("text", ["", "0", "nothing", "f" * 33])
def test_what_is_no_trace_id_is_refused(filled, text):
    with pytest.raises(ValueError, match="hex digits are right"):
        trace(filled, text)


def test_an_attempt_that_nobody_answered_says_why(bench, make):
    worker, now = make.worker(), bench.clock.now
    lost = {"status": 0, "headers": 0}
    attempts = [
        make.call(6, 70 + number, now + number, now + make.MS, outcome=outcome, **lost)
        for number, outcome in enumerate((Outcome.TIMEOUT, Outcome.CANCELLED, Outcome.OK))
    ]
    request = make.request(6, now, now + 2 * make.MS, shape=1)
    bench.do_pass(worker.arrival(now + 100 * make.MS, requests=[request], calls=attempts), seconds=0.1)
    (hop,) = trace(bench.recorder.cursor(), f"{0xABC << 64 | 1:032x}")["hops"]

    assert [call["outcome"] for call in hop["calls"]] == ["timeout", "cancelled", ""]


def test_a_trace_is_found_by_what_its_caller_calls_a_request(bench, make):
    worker, now = make.worker(), bench.clock.now
    named = [make.request(7, now, now + make.MS, trace=1), make.request(8, now + make.MS, now + 2 * make.MS, trace=2)]
    ids = [make.row(EXTERNAL_IDS, span_id=7, text=b"req-7"), make.row(EXTERNAL_IDS, span_id=8, text=b"12ab")]
    bench.do_pass(worker.arrival(now + make.SECOND, requests=named, external_ids=ids), seconds=1)
    bench.do_pass(worker.arrival(now + 10 * make.SECOND), seconds=9)
    cursor = bench.recorder.cursor()
    found = [trace(cursor, name) for name in ("req-7", "12ab", f"{0xABC << 64 | 2:x}")]
    with pytest.raises(ValueError, match="hex digits are right"):
        trace(cursor, "req-9")
    cursor.close()

    assert [answer["trace_id"][-1] for answer in found] == ["1", "2", "2"]


def test_an_unknown_trace_is_none(filled):
    assert trace(filled, "1234") is None


def test_an_empty_recorder_has_empty_answers(bench, make):
    cursor = bench.recorder.cursor()
    answer = queries.summary(cursor, make.THRESHOLDS)
    cursor.close()

    assert (answer["requests"], answer["models"], answer["devices"]) == (0, [], [])
    assert [(o["good"], o["bad"]) for o in answer["objectives"]] == [(0, 0), (0, 0)]


def test_a_kept_trace_says_what_its_caller_calls_it(bench, make):
    worker, now = make.worker(), bench.clock.now
    named = make.request(7, now, now + make.MS, trace=1)
    ids = [make.row(EXTERNAL_IDS, span_id=7, text=b"req-7")]
    bench.do_pass(worker.arrival(now + make.SECOND, requests=[named], external_ids=ids), seconds=1)
    bench.do_pass(worker.arrival(now + 10 * make.SECOND), seconds=9)
    cursor = bench.recorder.cursor()
    wanted = [Wanted(trace_id=0xABC << 64 | 1, since_ns=0, after=0)]
    (hop,) = hops(cursor, wanted, labels=lambda _: Labels(service="s", model="m"), text=str)
    cursor.close()

    assert hop.record.external_id == "req-7"
