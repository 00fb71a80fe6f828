"""OpenVINO on a CPU: each inference is one execute, synchronous or not, and each compilation a load."""

import time

import numpy as np
import openvino
import pytest
from fastapi import FastAPI
from openvino import opset13 as ops

from inferometer.catalog.stages import Kind, Stage
from inferometer.record.partition import stage_totals

X = np.arange(512, dtype=np.float32).reshape(8, 64) / 512


def made(layers=2, name="toy"):
    """A model of so many layers."""
    rng = np.random.default_rng(0)
    given = ops.parameter([-1, 64], np.float32, name="x")
    node = given
    for _ in range(layers):
        weights = ops.constant(rng.standard_normal((64, 64)).astype(np.float32) / 8)
        node = ops.tanh(ops.matmul(node, weights, transpose_a=False, transpose_b=False))
    model = openvino.Model([ops.result(node)], [given], name)
    model.validate_nodes_and_infer_types()
    return model


@pytest.fixture
def compiled(recorder):
    return openvino.Core().compile_model(made(), "CPU")


def by_call(compiled):
    return compiled(X)[0]


def by_new_request(compiled):
    return compiled.infer_new_request({"x": X})[0]


def by_request(compiled):
    return compiled.create_infer_request().infer([X])[0]


def by_tensor(compiled):
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(X))
    return request.infer()[0]


def by_waiting(compiled):
    request = compiled.create_infer_request()
    request.start_async(X)
    request.wait()
    return request.get_output_tensor().data.copy()


def by_queue(compiled):
    queue, kept = openvino.AsyncInferQueue(compiled, 1), []
    queue.set_callback(lambda request, user: kept.append((request.get_output_tensor().data.copy(), user)))
    queue.start_async(X, "theirs")
    queue.wait_all()
    ((result, user),) = kept
    assert user == "theirs"
    return result


@pytest.mark.parametrize("way", [by_call, by_new_request, by_request, by_tensor, by_waiting, by_queue])
def test_each_way_to_infer_is_one_execute(recorder, compiled, way):
    expected = X
    rng = np.random.default_rng(0)
    for _ in range(2):
        expected = np.tanh(expected @ (rng.standard_normal((64, 64)).astype(np.float32) / 8))
    result = way(compiled)
    ((model, run),) = recorder.runs()

    np.testing.assert_allclose(result, expected, atol=1e-2)
    assert (model, run.device, run.rows, run.kind) == ("toy", "host-1", 8, Kind.NONE)
    assert run.end > run.start
    assert recorder.failed() == {}


def test_a_compilation_is_a_load_with_the_name_of_the_file(recorder, tmp_path):
    openvino.save_model(made(), tmp_path / "ranker.xml")
    core = openvino.Core()
    by_call(core.compile_model(str(tmp_path / "ranker.xml"), "CPU"))
    by_call(openvino.compile_model(core.read_model(tmp_path / "ranker.xml"), "CPU"))

    assert [name for name, _ in recorder.loads()] == ["ranker", "toy"]
    assert [name for name, _ in recorder.runs()] == ["ranker", "toy"]


def test_inferences_of_a_queue_are_told_one_by_one_with_their_own_time(recorder):
    compiled = openvino.Core().compile_model(made(40), "CPU")
    big = np.tile(X, (200, 1))
    queue = openvino.AsyncInferQueue(compiled, 2)
    start = time.monotonic_ns()
    for _ in range(6):
        queue.start_async(big)
    queue.wait_all()
    took = time.monotonic_ns() - start
    runs = [run for _, run in recorder.runs()]

    assert [run.rows for run in runs] == [1600] * 6
    assert all(0 < run.end - run.start < took for run in runs)
    assert all(run.start >= start and run.end <= start + took for run in runs)


def test_an_inference_that_a_request_waits_for_is_its_execute(recorder):
    compiled = openvino.Core().compile_model(made(20), "CPU")
    app = FastAPI()

    @app.get("/polled")
    def polled() -> int:
        request = compiled.create_infer_request()
        request.start_async(X)
        while not request.wait_for(0):
            time.sleep(0.0005)
        return 1

    @app.get("/forgotten")
    def forgotten() -> int:
        requests.append(compiled.create_infer_request())
        requests[0].start_async(X)
        time.sleep(0.2)
        return 1

    requests = []
    client = recorder.serve(app)
    polled_record, forgotten_record = client.record("/polled"), client.record("/forgotten")
    (run,), (left,) = polled_record.executes, forgotten_record.executes

    assert [(record.labels.model, len(record.executes)) for record in (polled_record, forgotten_record)] == [
        ("toy", 1)
    ] * 2
    assert run.rows == left.rows == 8
    assert 0 < stage_totals(polled_record)[Stage.EXECUTE] == run.end - run.start
    # Nobody waits for it: its end is that of the inference, not that of the request.
    assert left.end - left.start == pytest.approx(requests[0].latency * 1e6, abs=1000)
    assert recorder.runs() == []


def test_an_error_of_the_library_passes(recorder, compiled):
    with pytest.raises(Exception, match=r"(?i)shape"):
        compiled(np.zeros((2, 3), np.float32))
    request = compiled.create_infer_request()
    request.start_async(np.zeros((2, 3), np.float32))
    with pytest.raises(Exception, match=r"(?i)shape"):
        request.wait()

    assert len(recorder.runs()) == 2
    assert recorder.failed() == {}


@pytest.mark.parametrize("way", [by_call, by_waiting, by_queue])
def test_a_hook_that_raises_is_off_and_the_model_infers(recorder, compiled, monkeypatch, way):
    expected = by_call(compiled).copy()
    monkeypatch.setattr(recorder.worker.shapes, "string", lambda _: 1 / 0)

    np.testing.assert_array_equal(way(compiled), expected)
    assert recorder.failed() == {"openvino": 1}
    assert not hasattr(openvino.InferRequest.infer, "__wrapped__")
