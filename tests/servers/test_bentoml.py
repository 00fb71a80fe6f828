"""BentoML for real: two services, each with a process of its own, one of them batching."""

import pytest

from inferometer.catalog.stages import Kind, Outcome, Stage
from inferometer.record.model import Flag

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

FELT_NS = 200_000
"""A shorter wait for a thread, after the first one, is not told (hooks/anyio_threads.py)."""


@pytest.fixture(scope="module")
def server(start):
    made = start(
        "bentoml", "bentoml", "serve", "app_bento:Gateway", "--host", "127.0.0.1", "--port", "{port}",
        ready="/livez", BENTOML_DO_NOT_TRACK="true", BENTOML_HOME="{folder}/bento",
    )  # fmt: skip
    # The first calls teach the dispatcher how long a batch takes; it lets none of them wait.
    for _ in range(3):
        made.recorded(lambda: made.ask("/ask", {"text": "warm"}), lambda found: len(found) >= 2)
    return made


def of_service(records, service):
    return [record for record in records if record.labels.service == service]


def test_an_api_is_a_model_of_its_service(server, milliseconds):
    answers = []
    record = server.record(lambda: answers.append(server.ask("/work", {"text": {"text": "abc", "times": 3}})))

    assert answers[0][:2] == (200, b'{"text":"abcabcabc","times":1}')
    assert (record.labels.service, record.labels.model, record.labels.version) == ("Gateway", "Gateway/work", "3")
    assert (record.labels.route, record.outcome) == ("/work", Outcome.OK)
    # BentoML makes a span for itself, which goes nowhere: ours are not left out for it.
    assert not record.flags & Flag.FOREIGN_SPANS
    assert milliseconds(record)[Stage.HANDLER] >= 50
    assert milliseconds(record)[Stage.DESERIALIZE] > 0
    assert milliseconds(record)[Stage.SERIALIZE] > 0


def test_requests_wait_for_the_threads_of_the_service(server, milliseconds, queued, left):
    question = ("/work", {"text": {"text": "abc"}})
    records = server.recorded(lambda: server.together(*[question] * 4), lambda found: len(found) == 4)
    first, *_, last = sorted(records, key=lambda record: left(record, Kind.THREADPOOL))
    begun, over = (left(record, Kind.THREADPOOL) for record in (first, last))

    # The last begins when the three before it are done, whenever it came; who came later has waited less.
    assert (over - begun) / 1e6 >= 140
    assert queued(last, Kind.THREADPOOL) >= 100 - max(last.start - begun, 0) / 1e6
    assert queued(first, Kind.THREADPOOL) < queued(last, Kind.THREADPOOL)
    assert all(milliseconds(record)[Stage.HANDLER] >= 50 for record in records)


def test_a_service_that_asks_another_is_its_parent(server, milliseconds):
    records = server.recorded(lambda: server.ask("/ask", {"text": "abc"}), lambda found: len(found) == 2)
    (gateway,), (embedder,) = of_service(records, "Gateway"), of_service(records, "Embedder")

    assert (embedder.trace_id, embedder.parent_id) == (gateway.trace_id, gateway.calls[0].call_id)
    assert gateway.flags & Flag.ENTRY
    assert not embedder.flags & Flag.ENTRY
    assert embedder.labels.model == "Embedder/encode"
    assert gateway.calls[0].server_ns > 0
    assert milliseconds(gateway)[Stage.REMOTE] >= 50
    assert milliseconds(embedder)[Stage.EXECUTE] >= 50


def test_members_of_a_batch_wait_and_share_one_execute(server, milliseconds):
    before = len(server.batches())
    questions = [("/ask", {"text": f"text {number}"}) for number in range(8)]
    records = server.recorded(lambda: server.together(*questions), lambda found: len(found) == 16)
    members = of_service(records, "Embedder")
    server.collector.until(lambda: sum(batch.size for batch in server.batches()[before:]) == 8)
    batches = server.batches()[before:]

    assert sum(batch.size for batch in batches) == 8
    assert len(batches) < 8
    assert all((batch.reason == "full") == (batch.size == 4) for batch in batches)
    assert {(batch.capacity, batch.labels.service, batch.labels.model) for batch in batches} == {
        (4, "Embedder", "Embedder/encode")
    }
    for batch in batches:
        shared = [run for record in members for run in record.executes if run.batch_id == batch.batch_id]
        assert len(shared) == batch.size
        assert {(run.execute_id, run.batch_size, run.kind) for run in shared} == {
            (shared[0].execute_id, batch.size, Kind.BATCH)
        }
    # One batch at a time: who was not in the first one waited for it.
    assert max(milliseconds(record)[Stage.QUEUE] for record in members) >= 40


def test_members_of_a_failed_batch_have_failed(server):
    answers = []
    records = server.recorded(
        lambda: answers.append(server.ask("/ask", {"text": "bad"})), lambda found: len(found) == 2
    )

    assert answers[0][0] == 500
    assert {record.outcome for record in records} == {Outcome.SERVER_ERROR}


@pytest.mark.parametrize("path", ["/stream", "/parts"], ids=["asynchronous", "from a thread"])
def test_a_stream_has_its_parts(server, milliseconds, path):
    record = server.record(lambda: server.ask(path, {"count": 20}))

    assert record.flags & Flag.STREAM
    assert record.chunks == 20
    assert record.first_chunk_ns < record.duration_ns - 150e6
    assert milliseconds(record)[Stage.HANDLER] >= 190
    # Waits for a reader apart, and where the machine is busy for a thread: nothing is kept of a part that did not wait.
    waits = [each for each in record.intervals if each.kind is Kind.THREADPOOL]
    rest = [each for each in record.intervals if each.stage is not Stage.NETWORK and each.kind is not Kind.THREADPOOL]
    assert len(rest) <= 2
    assert all(wait.end - wait.start >= FELT_NS for wait in waits[1:])


@pytest.mark.parametrize(
    ("question", "status", "outcome"),
    [
        (("/work", {"text": {"times": 1}}), 400, Outcome.CLIENT_ERROR),
        (("/work", b"{"), 400, Outcome.CLIENT_ERROR),
        (("/broken", {}), 500, Outcome.SERVER_ERROR),
        (("/slow", {"seconds": 20}), 504, Outcome.TIMEOUT),
        (("/nowhere",), 404, Outcome.CLIENT_ERROR),
    ],
    ids=["no field", "no JSON", "raised", "after the timeout", "no such API"],
)
def test_an_error_is_answered_as_ever_and_has_its_outcome(server, question, status, outcome):
    answers = []
    record = server.record(lambda: answers.append(server.ask(*question)))

    assert (answers[0][0], record.status, record.outcome) == (status, status, outcome)
    if status != 404:
        assert record.labels.model == f"Gateway{question[0]}"


def test_what_is_more_than_the_service_takes_at_once_is_rejected(server):
    question = ("/work", {"text": {"text": "abc"}})
    records = server.recorded(lambda: server.together(*[question] * 20), lambda found: len(found) == 20)
    rejected = [record for record in records if record.outcome is Outcome.REJECTED]

    assert 1 <= len(rejected) <= 8
    assert {record.status for record in rejected} == {429}


def test_a_client_that_leaves_has_cancelled(server):
    record = server.record(lambda: server.leave("/slow", {"seconds": 1}))

    assert record.outcome is Outcome.CANCELLED


def test_every_hook_works(server):
    statuses = server.hooks()

    assert all(statuses[hook] == {"active"} for hook in ("bentoml", "bentoml.io", "bentoml.batching", "httpx"))
    assert not any(frame.gauges["hook_errors"] or frame.gauges["drops"] for frame in server.collector.frames)
