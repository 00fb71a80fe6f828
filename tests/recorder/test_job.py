"""What is no web request becomes one record, too: messages, jobs, functions; inside another request it is a child."""

import asyncio
import contextvars
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import inferometer
from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.errors import InferometerError
from inferometer.record.model import Flag
from inferometer.record.partition import partition
from inferometer.recorder import job
from inferometer.recorder.proxy_wait import LONGEST_IN_QUEUE_NS
from inferometer.recorder.request import current
from inferometer.recorder.worker import Worker
from inferometer.settings import Settings

TRACE = f"00-{'ab' * 16}-{'cd' * 8}-01"
MS = 1_000_000


@pytest.fixture(autouse=True)
def here(bench, monkeypatch):
    monkeypatch.setattr(job, "worker", lambda: bench.worker)
    return bench.worker


def test_a_block_is_a_request_with_what_is_said_of_it(bench):
    with inferometer.request("rank", model="ranker", version="3", tenant="acme", request_class="batch"):
        assert current() is not None
        with inferometer.stage("preprocess"):
            time.sleep(0.01)
    (record,) = bench.records()
    labels = record.labels

    assert (labels.method, labels.route, labels.model, labels.version) == ("JOB", "rank", "ranker", "3")
    assert (labels.tenant, labels.request_class, labels.service) == ("acme", "batch", "tested")
    assert (record.outcome, record.status, record.flags) == (Outcome.OK, 0, Flag.ENTRY)
    assert partition(record).total(Stage.PREPROCESS) >= 10 * MS
    assert partition(record).total(Stage.OTHER) == 0
    assert current() is None


def test_without_a_model_it_counts_under_its_name(bench):
    with inferometer.request("rank"):
        pass

    assert bench.records()[0].labels.model == "rank"


@pytest.mark.parametrize(
    "headers",
    [
        {"Traceparent": TRACE, "tracestate": "inferometer=1", "X-Tenant": "acme", "baggage": "a=1"},
        [("traceparent", TRACE.encode()), ("tracestate", b"inferometer=1"), ("x-tenant", b"acme"), ("baggage", b"a=1")],
        {b"traceparent": TRACE.encode(), b"tracestate": b"inferometer=1", b"X-Tenant": bytearray(b"acme")},
    ],
    ids=["a mapping of text", "pairs, as Kafka has them", "bytes"],
)
def test_headers_of_a_message_are_read_as_those_of_a_web_request(bench, headers):
    with inferometer.request("rank", headers=headers):
        pass
    (record,) = bench.records()

    assert (record.trace_id, record.parent_id) == (int("ab" * 16, 16), int("cd" * 8, 16))
    assert record.flags == Flag.SAMPLED
    assert record.labels.tenant == "acme"


@given(
    st.one_of(
        st.dictionaries(st.text() | st.binary(), st.one_of(st.none(), st.integers(), st.text(), st.binary())),
        st.lists(st.tuples(st.sampled_from(["traceparent", b"baggage", "x-request-id", ""]), st.text() | st.binary())),
    )
)
def test_hostile_headers_are_harmless(headers):
    worker = Worker(Settings(service="tested", host="host-1"))
    worker.started = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "worker", lambda: worker)
        with inferometer.request("rank", headers=headers):
            assert current() is not None

    assert worker.hooks.errors() == {}


@pytest.mark.parametrize("headers", [7, [1, 2], "text", object()], ids=["a number", "no pairs", "text", "an object"])
def test_what_are_no_headers_are_none(bench, headers):
    with inferometer.request("rank", headers=headers):
        pass

    assert bench.records()[0].flags == Flag.ENTRY
    assert bench.worker.hooks.errors() == {}


def test_a_failure_of_ours_costs_the_record_and_nothing_else(here, monkeypatch, caplog):
    monkeypatch.setattr(job, "JobRequest", lambda *_: 1 / 0)
    ran = []
    with inferometer.request("rank"):
        ran.append(True)

    assert ran
    assert here.hooks.errors() == {"request": 1}
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ValueError, Outcome.SERVER_ERROR),
        (TimeoutError, Outcome.TIMEOUT),
        (asyncio.CancelledError, Outcome.CANCELLED),
        (KeyboardInterrupt, Outcome.CANCELLED),
        (SystemExit, Outcome.OK),
        (ExceptionGroup("several", [ValueError(), TimeoutError()]), Outcome.TIMEOUT),
    ],
    ids=["a bug", "a timeout", "cancelled", "interrupted", "the end", "a group"],
)
def test_what_the_block_raises_passes_and_makes_the_outcome(bench, error, outcome):
    raised = error if isinstance(error, BaseException) else error()
    with pytest.raises(type(raised)) as caught, inferometer.request("rank"):
        raise raised

    assert caught.value is raised
    assert bench.records()[0].outcome is outcome
    assert current() is None


def test_an_exit_with_a_code_failed(bench):
    with pytest.raises(SystemExit), inferometer.request("rank"):
        sys.exit(3)

    assert bench.records()[0].outcome is Outcome.SERVER_ERROR


def test_a_message_that_is_put_back_is_rejected_and_an_answer_of_a_fallback_degraded(bench):
    with inferometer.request("rank"):
        inferometer.annotate(rejected=True)
    with inferometer.request("rank"):
        inferometer.annotate(degraded=True)

    assert [record.outcome for record in bench.records()] == [Outcome.REJECTED, Outcome.DEGRADED]


def test_time_in_the_queue_is_outside_the_duration(bench):
    with inferometer.request("rank", queued_at=time.time() - 3600):
        pass
    (record,) = bench.records()

    assert record.proxy_wait_ns / 1e9 == pytest.approx(3600, abs=5)
    assert record.duration_ns < 1e9


@pytest.mark.parametrize(
    ("seconds", "skews"),
    [(-60, 1), (LONGEST_IN_QUEUE_NS / 1e9 + 60, 1), (float("nan"), 0), (float("inf"), 0)],
    ids=["in the future", "weeks ago", "not a number", "infinite"],
)
def test_a_time_in_the_queue_that_cannot_be_is_none(bench, seconds, skews):
    with inferometer.request("rank", queued_at=time.time() - seconds):
        pass

    assert bench.records()[0].proxy_wait_ns == 0
    assert bench.worker.proxy_clock.skews() == skews


def test_each_call_of_a_function_is_a_request_side_by_side(bench):
    gate = threading.Barrier(3)

    @inferometer.request("rank", model="ranker")
    def rank(x: int) -> int:
        gate.wait(5)
        return x * 2

    results = []
    threads = [threading.Thread(target=lambda x=x: results.append(rank(x))) for x in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == [0, 2, 4]
    assert [record.labels.model for record in bench.records()] == ["ranker"] * 3
    assert rank.__name__ == "rank"


def test_coroutines_and_asynchronous_blocks_are_requests(bench):
    @inferometer.request("rank")
    async def rank(x: int) -> int:
        await asyncio.sleep(0.01)
        return x

    async def main():
        async with inferometer.request("outside"):
            await asyncio.sleep(0)
        return await asyncio.gather(rank(1), rank(2))

    assert asyncio.run(main()) == [1, 2]
    records = bench.records()
    assert [record.labels.route for record in records] == ["outside", "rank", "rank"]
    assert all(record.duration_ns >= 9 * MS for record in records[1:])


def test_a_generator_is_refused_with_what_would_be_right():
    with pytest.raises(InferometerError, match=r"on the generator rows: a with statement inside it is right"):

        @inferometer.request("rank")
        def rows():
            yield 1

    with pytest.raises(InferometerError, match="generator"):

        @inferometer.request("rank")
        async def parts():
            yield 1


def test_a_block_in_a_generator_that_is_closed_elsewhere_ends_there(bench):
    def rows():
        with inferometer.request("rank"):
            yield 1
            yield 2

    steps = rows()
    contextvars.copy_context().run(next, steps)
    contextvars.copy_context().run(steps.close)

    assert bench.records()[0].outcome is Outcome.CANCELLED
    assert current() is None


def test_inside_a_request_it_is_a_child_and_remote_to_the_outer_one(bench):
    with inferometer.request("outer", tenant="acme", headers={"traceparent": TRACE, "tracestate": "them=1"}):
        with inferometer.request("inner"):
            time.sleep(0.02)
            with inferometer.stage("execute"):
                time.sleep(0.005)
        assert current() is not None
    inner, outer = bench.records()

    assert (inner.trace_id, inner.parent_id) == (outer.trace_id, outer.span_id)
    assert not inner.flags & Flag.ENTRY
    assert (inner.labels.tenant, inner.labels.route, outer.labels.route) == ("acme", "inner", "outer")
    assert partition(outer).total(Stage.REMOTE) == inner.duration_ns
    assert {(interval.stage, interval.kind) for interval in outer.intervals} == {(Stage.REMOTE, Kind.INFERENCE)}
    assert (len(inner.executes), len(outer.executes)) == (1, 0)


def test_inside_a_request_a_message_of_another_trace_stays_in_that_trace(bench):
    with inferometer.request("poll"), inferometer.request("rank", headers={"traceparent": TRACE}):
        pass
    inner, outer = bench.records()

    assert inner.trace_id == int("ab" * 16, 16) != outer.trace_id
    assert inner.flags & Flag.ENTRY
    assert outer.intervals == ()


def test_switched_off_it_does_nothing(monkeypatch):
    off = Worker(Settings(service="tested", host="host-1", enabled=False))
    monkeypatch.setattr(job, "worker", lambda: off)
    with inferometer.request("rank"):
        assert current() is None

    assert not off.started


def test_a_thousand_names_are_bounded(bench):
    for number in range(2100):
        with inferometer.request(f"job-{number}"):
            pass

    assert len({record.labels.route for record in bench.records()}) <= 2001


HANDLER = """
import inferometer

def handler(event, context):
    with inferometer.request("embed", headers=event["headers"]):
        answer = len(event["body"])
    assert inferometer.flush()
    return answer

for body in ("a", "bb"):
    handler({"headers": {"x-tenant": "acme"}, "body": body}, None)
"""


@pytest.mark.processes
@pytest.mark.parametrize("ending", ["import os; os._exit(0)", ""], ids=["frozen", "ended"])
def test_a_process_without_a_server_sends_what_it_recorded(collector, tmp_path, ending):
    environment = {"INFEROMETER_SIDECAR": collector.address, "PATH": "", "INFEROMETER_FLUSH_SECONDS": "10"}
    subprocess.run([sys.executable, "-c", HANDLER + ending], env=environment, check=True, timeout=20)

    assert [record.labels.tenant for record in collector.wait(2)] == ["acme", "acme"]
