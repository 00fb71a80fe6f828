"""MLServer for real, with its models in processes of their own and in the server's."""

import json

import grpc
import pytest
from free_ports import free_port

from inferometer.catalog.stages import Kind, Outcome, Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def question(*texts):
    return {"inputs": [{"name": "text", "shape": [len(texts), 1], "datatype": "BYTES", "data": list(texts)}]}


@pytest.fixture(scope="module", params=["1", "0"], ids=["models in a worker", "models in the server"])
def server(start_mlserver, request):
    return start_mlserver(request.param)


def count(number):
    return lambda found: len(found) == number


def ask(server, name, *texts, version=""):
    path = f"/v2/models/{name}/versions/{version}/infer" if version else f"/v2/models/{name}/infer"
    return server.ask(path, question(*texts))


def test_the_model_that_answers_executes(server, milliseconds):
    answers = []
    record = server.record(lambda: answers.append(ask(server, "words", "four")))
    times = milliseconds(record)

    assert answers[0][0] == 200
    assert json.loads(answers[0][1])["outputs"][0]["data"] == [4]
    assert (record.labels.service, record.labels.model, record.labels.version) == ("mlserver", "words", "")
    assert (record.labels.route, record.outcome) == ("/v2/models/{model_name}/infer", Outcome.OK)
    assert times[Stage.EXECUTE] >= 50
    assert times[Stage.DESERIALIZE] > 0
    assert times[Stage.SERIALIZE] > 0
    (run,) = record.executes
    assert (run.batch_id, run.kind) == (0, Kind.NONE)
    assert run.device


@pytest.mark.parametrize("version", ["", "v2"])
def test_what_executes_inside_predict_takes_its_place(server, milliseconds, version):
    record = server.record(lambda: ask(server, "marked", "four", version=version))

    assert (record.labels.model, record.labels.version) == ("marked", "v2")
    assert len(record.executes) == 1
    assert milliseconds(record)[Stage.EXECUTE] >= 20
    assert milliseconds(record)[Stage.HANDLER] >= 50


def test_members_of_a_batch_wait_and_share_one_execute(server, milliseconds, queued):
    before = len(server.batches())
    questions = [("/v2/models/many/infer", question(f"text {number}")) for number in range(8)]
    records = server.recorded(lambda: server.together(*questions), count(8))
    server.collector.until(lambda: sum(batch.size for batch in server.batches()[before:]) == 8)
    batches = server.batches()[before:]

    assert any(batch.size > 1 for batch in batches)
    assert all((batch.reason == "full") == (batch.size == 4) for batch in batches)
    assert {(batch.capacity, batch.labels.service, batch.labels.model) for batch in batches} == {
        (4, "mlserver", "many")
    }
    for batch in batches:
        shared = [run for record in records for run in record.executes if run.batch_id == batch.batch_id]
        assert len(shared) == batch.size
        assert {(run.execute_id, run.batch_size, run.kind, run.start, run.end) for run in shared} == {
            (shared[0].execute_id, batch.size, Kind.BATCH, shared[0].start, shared[0].end)
        }
    assert all(len(record.executes) == 1 for record in records)
    assert all(milliseconds(record)[Stage.EXECUTE] >= 50 for record in records)
    assert all(queued(record, Kind.BATCH_WAIT) > 0 for record in records)


def test_a_batch_of_one_waited_for_company_in_vain(server, milliseconds):
    before = len(server.batches())
    record = server.record(lambda: ask(server, "many", "alone"))
    server.collector.until(lambda: len(server.batches()) > before)
    (batch,) = server.batches()[before:]

    assert (batch.size, batch.reason, batch.waiting) == (1, "timeout", 0)
    assert milliseconds(record)[Stage.QUEUE] >= 95


@pytest.mark.parametrize(
    ("path", "body", "status", "outcome", "model"),
    [
        ("words", question("bug"), 500, Outcome.SERVER_ERROR, "words"),
        ("words", question("wrong"), 400, Outcome.CLIENT_ERROR, "words"),
        ("many", question("bug"), 500, Outcome.SERVER_ERROR, "many"),
        ("nobody", question("x"), 404, Outcome.CLIENT_ERROR, "/v2/models/{model_name}/infer"),
        ("words", b"{", 422, Outcome.CLIENT_ERROR, "/v2/models/{model_name}/infer"),
    ],
    ids=["raised", "InferenceError", "raised in a batch", "no such model", "no JSON"],
)
def test_an_error_is_answered_as_ever_and_has_its_outcome(server, path, body, status, outcome, model):
    answers = []
    record = server.record(lambda: answers.append(server.ask(f"/v2/models/{path}/infer", body)))

    assert (answers[0][0], record.status, record.outcome, record.labels.model) == (status, status, outcome, model)
    assert len(record.executes) == (model in ("words", "many"))


def test_a_client_that_leaves_has_cancelled(server):
    path = "/v2/models/words/infer"
    record = server.record(lambda: server.leave(path, question("wait")))

    assert record.outcome is Outcome.CANCELLED
    assert record.labels.model == "words"


def test_every_hook_works(server):
    statuses = server.hooks()
    hooks = [name for name in statuses if name.startswith("mlserver")]

    assert len(hooks) == 3
    assert all("active" in statuses[hook] and statuses[hook] <= {"active", "waiting"} for hook in hooks)
    assert not any(frame.gauges["hook_errors"] or frame.gauges["drops"] for frame in server.collector.frames)


def test_one_request_after_the_other_is_queue_time(server, milliseconds):
    questions = [("/v2/models/words/infer", question("abc"))] * 6
    records = server.recorded(lambda: server.together(*questions), count(6))
    waits = sorted(milliseconds(record)[Stage.QUEUE] for record in records)

    # 50 ms each: in the worker's queue, or while the server's own event loop is busy.
    assert waits[-1] >= 100
    assert waits[0] < 50


def field(number, data):
    """A length-delimited field of protobuf."""
    return bytes([number << 3 | 2, len(data)]) + data


def test_over_grpc_it_is_the_same(start_mlserver, milliseconds):
    port = free_port()
    # The server of gRPC is made before any model is loaded, so the line in a model's module is too late for it.
    server = start_mlserver("1", MLSERVER_GRPC_PORT=str(port), switched_on=True)
    # ModelInferRequest: model_name, inputs (name, datatype, shape, contents with bytes_contents).
    tensor = field(1, b"text") + field(2, b"BYTES") + field(3, b"\x01\x01") + field(5, field(8, b"four"))
    asked = field(1, b"words") + field(5, tensor)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer", lambda data: data, lambda data: data)
        answers = []
        record = server.record(lambda: answers.append(infer(asked, timeout=20)))

    assert b"words" in answers[0]
    assert (record.labels.model, record.labels.route) == ("words", "inference.GRPCInferenceService/ModelInfer")
    assert record.outcome is Outcome.OK
    assert milliseconds(record)[Stage.EXECUTE] >= 50
    assert len(record.executes) == 1
