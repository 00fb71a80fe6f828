"""ONNX Runtime in all the ways to run it, and through Optimum and sentence-transformers: one execute for each run."""

import threading

import numpy as np
import onnx
import onnxruntime
import pytest
import tiny
import torch
from fastapi import FastAPI
from onnx import TensorProto, helper
from optimum.onnxruntime import ORTModelForCausalLM, ORTModelForFeatureExtraction
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

from inferometer.catalog.stages import Kind


@pytest.fixture
def path(tmp_path):
    """A model that doubles what it is given, in a folder that tells its name."""
    shape = ["rows", 4]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    (tmp_path / "doubler").mkdir()
    file = tmp_path / "doubler" / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(file))
    return str(file)


@pytest.fixture
def session(recorder, path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


X = np.arange(12, dtype=np.float32).reshape(3, 4)


def by_run(session):
    return session.run(None, {"x": X})[0]


def by_values(session):
    return session.run_with_ort_values(["y"], {"x": onnxruntime.OrtValue.ortvalue_from_numpy(X)})[0].numpy()


def by_binding(session):
    binding = session.io_binding()
    binding.bind_cpu_input("x", X)
    binding.synchronize_inputs()
    binding.bind_output("y")
    session.run_with_iobinding(binding)
    binding.synchronize_outputs()
    return binding.copy_outputs_to_cpu()[0]


def by_bound_memory(session):
    binding = session.io_binding()
    result = np.zeros((3, 4), np.float32)
    binding.bind_input("x", "cpu", 0, np.float32, (3, 4), X.ctypes.data)
    binding.bind_output("y", "cpu", 0, np.float32, (3, 4), result.ctypes.data)
    session.run_with_iobinding(binding)
    return result


def by_callback(session):
    done, kept = threading.Event(), []

    def callback(results, user, error):
        kept.append((results, user, error))
        done.set()

    session.run_async(None, {"x": X}, callback, "theirs")
    assert done.wait(10)
    ((results, user, error),) = kept
    assert (user, error) == ("theirs", "")
    return results[0]


@pytest.mark.parametrize("way", [by_run, by_values, by_binding, by_bound_memory, by_callback])
def test_each_way_to_run_a_session_is_one_execute(recorder, session, way):
    result = way(session)
    ((model, run),) = recorder.runs()

    np.testing.assert_array_equal(result, X * 2)
    assert (model, run.device, run.rows, run.kind) == ("doubler", "host-1", 3, Kind.NONE)
    assert run.end > run.start
    assert [name for name, _ in recorder.loads()] == ["doubler"]


def test_what_a_binding_copies_to_and_from_a_device_is_told(recorder, session, monkeypatch):
    # No device here: the session only says that it has one.
    monkeypatch.setattr(type(session), "get_providers", lambda _: ["CUDAExecutionProvider"])
    monkeypatch.setattr(type(session), "get_provider_options", lambda _: {"CUDAExecutionProvider": {"device_id": "1"}})
    result = by_binding(session)
    runs = recorder.runs()

    np.testing.assert_array_equal(result, X * 2)
    assert {run.device for _, run in runs} == {"cuda:1"}
    assert [run.kind for _, run in runs] == [Kind.COPY_IN, Kind.COPY_IN, Kind.NONE, Kind.COPY_OUT, Kind.COPY_OUT]


def test_an_asynchronous_run_belongs_to_the_request_that_started_it(recorder, session):
    app = FastAPI()

    @app.get("/run")
    def run() -> float:
        return float(by_callback(session).sum())

    record = recorder.serve(app).record("/run")

    assert [(run.rows, run.device) for run in record.executes] == [(3, "host-1")]
    assert record.labels.model == "doubler"
    assert recorder.runs() == []


def test_an_asynchronous_run_that_does_not_start_raises_as_before(recorder, session):
    with pytest.raises(ValueError, match="missing from input feed"):
        session.run_async(None, {"wrong": X}, lambda *_: None, None)

    assert len(recorder.runs()) == 1
    assert recorder.failed() == {}


@pytest.mark.parametrize("broken", ["run", "run_async", "run_with_iobinding", "copy_outputs_to_cpu"])
def test_a_hook_that_raises_is_off_and_the_session_runs(recorder, session, monkeypatch, broken):
    monkeypatch.setattr(recorder.worker.shapes, "string", lambda _: 1 / 0)
    way = {"run": by_run, "run_async": by_callback}.get(broken, by_binding)

    np.testing.assert_array_equal(way(session), X * 2)
    assert recorder.failed() == {"onnxruntime": 1}
    assert not hasattr(vars(onnxruntime.capi.onnxruntime_inference_collection.Session)["run"], "__wrapped__")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Folders of an encoder and of a language model, exported by Optimum."""
    folder = tmp_path_factory.mktemp("exported")
    torch.manual_seed(1)
    for name, kind, model in (
        ("tiny-bert", ORTModelForFeatureExtraction, tiny.encoder()),
        ("tiny-llama", ORTModelForCausalLM, tiny.causal()),
    ):
        source = tiny.saved(folder / f"{name}-source", model)
        kind.from_pretrained(source, export=True).save_pretrained(folder / name)
        tiny.tokenizer().save_pretrained(folder / name)
    return folder


@pytest.mark.parametrize("binding", [False, True], ids=["run", "io-binding"])
def test_optimum_comes_through_the_session_under_the_name_of_its_folder(recorder, exported, binding):
    model = ORTModelForFeatureExtraction.from_pretrained(exported / "tiny-bert", use_io_binding=binding)
    inputs = tiny.tokenizer()(["the cat", "a dog ran"], return_tensors="pt", padding=True)
    with torch.no_grad():
        result = model(**inputs).last_hidden_state
    ((name, run),) = recorder.runs()

    assert result.shape[0] == 2
    assert model.use_io_binding is binding
    assert (name, run.device, run.rows, run.kind) == ("tiny-bert", "host-1", 2, Kind.NONE)
    assert [name for name, _ in recorder.loads()] == ["tiny-bert"]


def test_optimum_generates_with_prefill_and_decode_of_the_sessions(recorder, exported):
    model = ORTModelForCausalLM.from_pretrained(exported / "tiny-llama", use_io_binding=False)
    app = FastAPI()

    @app.get("/generate")
    def generate() -> int:
        inputs = tiny.tokenizer()(["the cat sat"], return_tensors="pt", return_token_type_ids=False)
        return model.generate(**inputs, max_new_tokens=6, min_new_tokens=6).shape[1]

    record = recorder.serve(app).record("/generate")

    assert [(run.kind, run.rows) for run in record.executes] == [(Kind.PREFILL, 1), (Kind.DECODE, 1)]
    assert (record.tokens_in, record.tokens_out) == (4, 6)
    assert recorder.runs() == []


def sentences(folder, **options):
    return SentenceTransformer(modules=[Transformer(str(folder), **options), Pooling(32)], device="cpu")


def test_sentences_are_one_execute_per_batch(recorder, tmp_path):
    torch.manual_seed(1)
    folder = tiny.saved(tmp_path / "tiny-sentences", tiny.encoder())
    sentences(folder).save(str(tmp_path / "embedder"))
    before = len(recorder.loads())
    model = SentenceTransformer(str(tmp_path / "embedder"), device="cpu")
    app = FastAPI()

    @app.post("/embed")
    def embed(texts: list[str]) -> int:
        return len(model.encode(texts, batch_size=2))

    record = recorder.serve(app).record("/embed", ["the cat", "a dog", "far"])

    assert [(run.rows, run.kind, run.device) for run in record.executes] == [
        (2, Kind.NONE, "host-1"),
        (1, Kind.NONE, "host-1"),
    ]
    assert record.labels.model == "embedder"
    assert [name for name, _ in recorder.loads()[before:]] == ["embedder"]


def test_sentences_on_a_session_are_the_executes_of_that_session(recorder, exported):
    model = sentences(exported / "tiny-bert", backend="onnx")
    result = model.encode(["the cat", "a dog"])
    runs = recorder.runs()

    assert result.shape == (2, 32)
    assert [(name, run.rows) for name, run in runs] == [("tiny-bert", 2)]
