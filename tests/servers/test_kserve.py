"""KServe for real: both versions of its protocol, one process and two."""

import json

import grpc
import pytest

from inferometer.catalog.stages import Outcome, Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def first(*texts):
    return {"instances": list(texts)}


def second(*texts):
    return {"inputs": [{"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": list(texts)}]}


@pytest.fixture(scope="module")
def server(start):
    return start("kserve", "{python}", "app_kserve.py", "{port}", "1", ready="/v1/models/lengths")


@pytest.mark.parametrize(
    ("path", "route", "body"),
    [
        ("/v1/models/lengths:predict", "/v1/models/{model_name}:predict", first("four")),
        ("/v2/models/lengths/infer", "/v2/models/{model_name}/infer", second("four")),
    ],
    ids=["version 1", "version 2"],
)
def test_the_stages_of_a_model_are_its_methods(server, milliseconds, path, route, body):
    answers = []
    record = server.record(lambda: answers.append(server.ask(path, body)))
    times = milliseconds(record)

    assert answers[0][0] == 200
    assert "4" in json.dumps(json.loads(answers[0][1]))
    assert (record.labels.service, record.labels.model, record.labels.version) == ("app_kserve", "lengths", "9")
    assert (record.labels.route, record.outcome) == (route, Outcome.OK)
    assert times[Stage.PREPROCESS] >= 10
    assert times[Stage.EXECUTE] >= 50
    assert times[Stage.POSTPROCESS] >= 10
    assert times[Stage.DESERIALIZE] > 0
    assert times[Stage.SERIALIZE] > 0
    assert len(record.executes) == 1


def test_what_executes_inside_predict_takes_its_place(server, milliseconds):
    record = server.record(lambda: server.ask("/v1/models/marked:predict", first("four")))
    times = milliseconds(record)

    assert record.labels.model == "marked"
    assert len(record.executes) == 1
    assert times[Stage.EXECUTE] >= 20
    assert times[Stage.HANDLER] >= 20
    assert times[Stage.PREPROCESS] == times[Stage.POSTPROCESS] == 0


@pytest.mark.parametrize(
    ("path", "body", "status", "outcome", "model"),
    [
        ("lengths", first("bug"), 500, Outcome.SERVER_ERROR, "lengths"),
        ("lengths", first("wrong"), 500, Outcome.SERVER_ERROR, "lengths"),
        ("lengths", b"{", 400, Outcome.CLIENT_ERROR, "/v1/models/{model_name}:predict"),
        ("nobody", first("x"), 404, Outcome.CLIENT_ERROR, "/v1/models/{model_name}:predict"),
    ],
    ids=["raised", "InferenceError", "no JSON", "no such model"],
)
def test_an_error_is_answered_as_ever_and_has_its_outcome(server, path, body, status, outcome, model):
    answers = []
    record = server.record(lambda: answers.append(server.ask(f"/v1/models/{path}:predict", body)))

    assert (answers[0][0], record.status, record.outcome, record.labels.model) == (status, status, outcome, model)


def test_a_client_that_leaves_has_cancelled(server):
    record = server.record(lambda: server.leave("/v1/models/lengths:predict", first("wait")))

    assert (record.outcome, record.labels.model) == (Outcome.CANCELLED, "lengths")


def test_every_hook_works(server):
    statuses = server.hooks()

    assert statuses["kserve"] == statuses["kserve.dataplane"] == {"active"}
    assert not any(frame.gauges["hook_errors"] or frame.gauges["drops"] for frame in server.collector.frames)


def test_two_processes_lose_nothing(start):
    server = start("kserve", "{python}", "app_kserve.py", "{port}", "2", ready="/v1/models/lengths")
    questions = [("/v1/models/lengths:predict", first("four"))] * 40
    records = server.recorded(lambda: server.together(*questions), lambda found: len(found) >= 40)

    assert len(records) == 40
    assert {record.outcome for record in records} == {Outcome.OK}
    assert all(len(record.executes) == 1 for record in records)


def field(number, data):
    """A length-delimited field of protobuf."""
    return bytes([number << 3 | 2, len(data)]) + data


def test_over_grpc_it_is_the_same(start, port, milliseconds):
    command = ("{python}", "app_kserve.py", "{port}", "1", str(port))
    server = start("kserve", *command, ready="/v1/models/lengths")
    # ModelInferRequest: model_name, inputs (name, datatype, shape, contents with bytes_contents).
    tensor = field(1, b"text") + field(2, b"BYTES") + field(3, b"\x01") + field(5, field(8, b"four"))
    asked = field(1, b"lengths") + field(5, tensor)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer", lambda data: data, lambda data: data)
        answers = []
        record = server.record(lambda: answers.append(infer(asked, timeout=20, wait_for_ready=True)))
    times = milliseconds(record)

    assert b"lengths" in answers[0]
    assert (record.labels.model, record.labels.route) == ("lengths", "inference.GRPCInferenceService/ModelInfer")
    assert (record.outcome, record.labels.version, len(record.executes)) == (Outcome.OK, "9", 1)
    assert times[Stage.PREPROCESS] >= 10
    assert times[Stage.EXECUTE] >= 50
    assert times[Stage.POSTPROCESS] >= 10
