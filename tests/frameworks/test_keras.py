"""Keras and TensorFlow on a CPU: calls, predictions and functions of a SavedModel are executes; training is none."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from fastapi import FastAPI

from inferometer.catalog.stages import Kind

X = np.linspace(0, 1, 24, dtype=np.float32).reshape(6, 4)


def sequential():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(2)], name="scorer")


def functional():
    keras.utils.set_random_seed(1)
    given = keras.Input((4,))
    return keras.Model(given, keras.layers.Dense(2)(keras.layers.Dense(8, "relu")(given)), name="scorer")


class Subclassed(keras.Model):
    """A model that calls another one."""

    def __init__(self):
        super().__init__(name="scorer")
        self.inner = sequential()

    def call(self, x):
        return self.inner(x)


WAYS = {
    "call": lambda model: model(X).numpy(),
    "call by name": lambda model: model(X, training=False).numpy(),
    "predict": lambda model: model.predict(X, batch_size=2, verbose=0),
    "predict_on_batch": lambda model: np.asarray(model.predict_on_batch(X)),
}


@pytest.mark.parametrize("make", [sequential, functional, Subclassed])
@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_run_a_model_is_one_execute(recorder, make, way):
    model = make()
    expected = make()(X, training=True).numpy()
    assert recorder.runs() == []
    result = WAYS[way](model)
    ((name, run),) = recorder.runs()

    np.testing.assert_allclose(result, expected, atol=1e-5)
    assert (name, run.device, run.rows, run.kind) == ("scorer", "host-1", 6, Kind.NONE)


def test_training_and_evaluation_are_no_executes(recorder):
    model = sequential()
    model.compile("sgd", "mse")
    y = np.zeros((6, 2), np.float32)
    model.fit(X, y, verbose=0)
    model.evaluate(X, y, verbose=0)
    model.train_on_batch(X, y)
    model.test_on_batch(X, y)
    with tf.GradientTape():
        model(X, training=True)

    @tf.function
    def step(x):
        return model(x)

    step(X)

    assert recorder.runs() == []
    assert recorder.failed() == {}


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_model_from_a_file_is_one_load_and_has_its_name(recorder, tmp_path, suffix):
    model = sequential()
    path = tmp_path / f"ranker.{suffix}"
    model.save(path)
    loaded = keras.models.load_model(path)
    result = loaded.predict(X, verbose=0)

    np.testing.assert_allclose(result, model(X, training=True).numpy(), atol=1e-5)
    assert [name for name, _ in recorder.loads()] == ["ranker"]
    assert [name for name, _ in recorder.runs()] == ["ranker"]


@pytest.fixture
def saved(tmp_path):
    """A SavedModel, as servers keep it: name, then version."""

    class Doubler(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32)])
        def double(self, x):
            return {"y": x * 2}

    module = Doubler()
    path = str(tmp_path / "doubler" / "1")
    tf.saved_model.save(module, path, signatures={"serving_default": module.double})
    return path


def test_functions_of_a_saved_model_are_executes(recorder, saved):
    loaded = tf.saved_model.load(saved)
    by_signature = loaded.signatures["serving_default"](tf.constant(X))["y"].numpy()
    by_name = loaded.double(tf.constant(X))["y"].numpy()
    runs = recorder.runs()

    np.testing.assert_array_equal(by_signature, X * 2)
    np.testing.assert_array_equal(by_name, X * 2)
    assert [(name, run.rows, run.device) for name, run in runs] == [("doubler", 6, "host-1")] * 2
    assert [name for name, _ in recorder.loads()] == ["doubler"]


def test_requests_have_the_executes_of_their_predictions(recorder, saved):
    app, model, loaded = FastAPI(), sequential(), tf.saved_model.load(saved)

    @app.get("/keras")
    def score() -> int:
        return len(model.predict(X, verbose=0))

    @app.get("/saved")
    def double() -> int:
        return len(loaded.signatures["serving_default"](x=tf.constant(X))["y"])

    client = recorder.serve(app)

    assert [(run.rows, run.device) for run in client.record("/keras").executes] == [(6, "host-1")]
    record = client.record("/saved")
    assert [(run.rows, run.device) for run in record.executes] == [(6, "host-1")]
    assert record.labels.model == "doubler"
    assert recorder.runs() == []


def test_an_error_of_the_framework_passes(recorder, saved):
    with pytest.raises(ValueError, match="incompatible"):
        sequential()(np.zeros((2, 3), np.float32))
    with pytest.raises(TypeError, match="wrong"):
        tf.saved_model.load(saved).signatures["serving_default"](wrong=tf.zeros((2, 4)))

    assert len(recorder.runs()) == 2
    assert recorder.failed() == {}


@pytest.mark.parametrize("way", ["call", "predict"])
def test_a_hook_that_raises_is_off_and_the_model_runs(recorder, monkeypatch, way):
    model = sequential()
    expected = model(X, training=True).numpy()
    monkeypatch.setattr(recorder.worker.shapes, "string", lambda _: 1 / 0)

    np.testing.assert_allclose(WAYS[way](model), expected, atol=1e-5)
    assert recorder.failed() == {"keras": 1}
    assert "__call__" not in vars(keras.Model)
