"""LitServe for real: API servers, and inference workers in processes of their own."""

import time
from collections import Counter
from urllib.request import urlopen

import pytest
from free_ports import free_port
from prometheus_client.parser import text_string_to_metric_families

from inferometer.catalog import requests
from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.record.model import Flag
from inferometer.wire.records import executes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def server(start):
    return start("bentoml", "{python}", "app_lit.py", "{port}", ready="/health")


def count(number):
    return lambda found: len(found) == number


def test_what_happened_in_the_worker_is_in_the_requests_record(server, milliseconds, queued):
    answers = []
    record = server.record(lambda: answers.append(server.ask("/single", {"text": "abc"})))
    times = milliseconds(record)

    assert answers[0][:2] == (200, b'{"size":3}')
    assert (record.labels.service, record.labels.model, record.labels.version) == ("app_lit", "Single", "5")
    assert (record.labels.route, record.outcome) == ("/single", Outcome.OK)
    assert times[Stage.DESERIALIZE] >= 10
    assert times[Stage.EXECUTE] >= 50
    assert times[Stage.SERIALIZE] >= 10
    (run,) = record.executes
    (wait,) = (each for each in record.intervals if each.kind is Kind.ENGINE)
    assert queued(record, Kind.ENGINE) > 0
    assert wait.end <= run.start, "what executes does not wait"
    assert run.device
    assert (run.batch_id, run.batch_size, run.kind) == (0, 1, Kind.NONE)


def test_what_executes_inside_predict_takes_its_place(server, milliseconds):
    record = server.record(lambda: server.ask("/marked", {"text": "abc"}))

    assert len(record.executes) == 1
    assert milliseconds(record)[Stage.EXECUTE] >= 20
    assert milliseconds(record)[Stage.HANDLER] >= 20


def test_requests_wait_in_the_queue_of_the_worker(server, milliseconds, queued, left):
    def depth():
        return max(frame.gauges["queue_depth"].get("Single", 0) for frame in server.collector.frames)

    records = server.recorded(lambda: server.together(*[("/single", {"text": "abc"})] * 6), count(6))
    first, *_, last = sorted(records, key=lambda record: left(record, Kind.ENGINE))
    begun, over = (left(record, Kind.ENGINE) for record in (first, last))

    # Some 72 ms each, one after the other: the last left the queue when the five before it were done, whenever it came.
    assert (over - begun) / 1e6 >= 5 * 70
    assert queued(last, Kind.ENGINE) >= 4 * 70 - max(last.start - begun, 0) / 1e6
    assert queued(first, Kind.ENGINE) < queued(last, Kind.ENGINE)
    assert all(milliseconds(record)[Stage.QUEUE] >= queued(record, Kind.ENGINE) * 0.9 for record in records)
    assert depth() > 0


def test_members_of_a_batch_wait_and_share_one_execute(server, milliseconds):
    before = len(server.batches())
    questions = [("/batched", {"text": f"text {number}"}) for number in range(8)]
    records = server.recorded(lambda: server.together(*questions), count(8))
    server.collector.until(lambda: sum(batch.size for batch in server.batches()[before:]) == 8)
    batches = server.batches()[before:]

    assert any(batch.size > 1 for batch in batches)
    assert all((batch.reason == "full") == (batch.size == 4) for batch in batches)
    assert {(batch.capacity, batch.labels.service, batch.labels.model) for batch in batches} == {
        (4, "app_lit", "Batched")
    }
    for batch in batches:
        shared = [run for record in records for run in record.executes if run.batch_id == batch.batch_id]
        assert len(shared) == batch.size
        assert {(run.execute_id, run.batch_size, run.kind, run.start, run.end) for run in shared} == {
            (shared[0].execute_id, batch.size, Kind.BATCH, shared[0].start, shared[0].end)
        }
    assert all(milliseconds(record)[Stage.EXECUTE] >= 50 for record in records)
    assert all(record.labels.model == "Batched" for record in records)


def test_a_batch_of_one_waited_for_company_in_vain(server, queued):
    before = len(server.batches())
    record = server.record(lambda: server.ask("/batched", {"text": "alone"}))
    server.collector.until(lambda: len(server.batches()) > before)
    (batch,) = server.batches()[before:]

    assert (batch.size, batch.reason) == (1, "timeout")
    assert queued(record, Kind.BATCH_WAIT) > 5


def test_a_stream_executes_until_its_last_part(server, milliseconds):
    answers = []
    record = server.record(lambda: answers.append(server.ask("/stream", {"text": "abcdefghij" * 3})))

    assert answers[0][1] == b"abcdefghij" * 3
    assert record.flags & Flag.STREAM
    assert record.first_chunk_ns < record.duration_ns - 200e6
    assert milliseconds(record)[Stage.EXECUTE] >= 300
    assert len(record.executes) == 1


def test_tasks_of_one_worker_are_kept_apart(server, milliseconds):
    records = server.recorded(
        lambda: server.together(*[("/tasks", {"text": "x" * number}) for number in range(5)]), count(5)
    )

    assert all(len(record.executes) == 1 for record in records)
    assert all(100 <= milliseconds(record)[Stage.EXECUTE] < 250 for record in records)
    assert len({record.executes[0].execute_id for record in records}) == 5


@pytest.mark.parametrize(
    ("question", "status", "outcome"),
    [
        (("/single", {"text": "bug"}), 500, Outcome.SERVER_ERROR),
        (("/single", {"text": "wrong"}), 422, Outcome.CLIENT_ERROR),
        (("/single", {"no": "text"}), 500, Outcome.SERVER_ERROR),
        (("/batched", {"text": "bug"}), 500, Outcome.SERVER_ERROR),
        (("/nowhere",), 404, Outcome.CLIENT_ERROR),
    ],
    ids=["raised", "HTTPException", "raised in decoding", "raised in a batch", "no such API"],
)
def test_an_error_is_answered_as_ever_and_has_its_outcome(server, question, status, outcome):
    answers = []
    record = server.record(lambda: answers.append(server.ask(*question)))

    assert (answers[0][0], record.status, record.outcome) == (status, status, outcome)
    assert record.labels.model == {"/single": "Single", "/batched": "Batched"}.get(question[0], "")


def test_a_client_that_leaves_has_cancelled_and_its_run_is_work_of_nobody(server):
    def of_nobody():
        collector = server.collector
        return [
            run
            for frame in collector.frames
            for span, _, _, run in executes(frame, collector.names_of(frame.worker_id))
            if not span
        ]

    before = len(of_nobody())
    record = server.record(lambda: server.leave("/stream", {"text": "x" * 60}))
    server.collector.until(lambda: len(of_nobody()) > before)
    (run,) = of_nobody()[before:]

    assert record.outcome is Outcome.CANCELLED
    assert run.end - run.start >= 590e6


def test_every_hook_works(server):
    statuses = server.hooks()

    assert statuses["litserve"] == statuses["litserve.worker"] == {"active"}
    assert not any(frame.gauges["hook_errors"] or frame.gauges["drops"] for frame in server.collector.frames)


def test_the_fast_queue_brings_it_back_as_well(start, milliseconds):
    server = start("bentoml", "{python}", "app_lit.py", "{port}", "fast", ready="/health")
    record = server.record(lambda: server.ask("/single", {"text": "abc"}))

    assert milliseconds(record)[Stage.EXECUTE] >= 50
    assert len(record.executes) == 1


def test_without_a_sidecar_one_page_has_the_totals_of_all_processes(start):
    port = free_port()
    server = start(
        "bentoml", "{python}", "app_lit.py", "{port}", ready="/health", INFEROMETER_SIDECAR="",
        INFEROMETER_METRICS=f"127.0.0.1:{port}", INFEROMETER_RUNTIME_DIR="{folder}/run",
    )  # fmt: skip
    single, batched = ("/single", {"text": "abc"}), ("/batched", {"text": "abc"})
    assert {answer[0] for answer in server.together(*[single] * 6, *[batched] * 6)} == {200}

    def totals():
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
            families = list(text_string_to_metric_families(page.read().decode()))
        found = Counter()
        for sample in (sample for family in families for sample in family.samples):
            if sample.name == requests.REQUESTS.name and sample.labels["outcome"] == "ok":
                found[sample.labels["model"]] += sample.value
            elif sample.name == f"{requests.BATCH_SIZE.name}_sum":
                found["in batches"] += sample.value
        return dict(found)

    deadline = time.monotonic() + 30
    while totals() != {"Single": 6, "Batched": 6, "in batches": 6}:
        assert time.monotonic() < deadline, totals()
        time.sleep(0.2)
