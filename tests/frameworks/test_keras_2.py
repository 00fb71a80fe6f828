"""Keras 2: `tf_keras`, and the Keras that TensorFlow up to 2.15 brings (test_keras_of_tensorflow.py).

Calls and predictions are executes, training is none, loads are told: as of Keras 3.
"""

import numpy as np
import pytest
import tensorflow as tf
from fastapi import FastAPI

from inferometer.catalog.stages import Kind

if tf.__version__ < "2.16":
    from tensorflow import keras
else:
    import tf_keras as keras

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


@pytest.mark.parametrize("make_model", [sequential, functional, Subclassed])
@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_run_a_model_is_one_execute(recorder, make_model, way):
    model = make_model()
    expected = make_model()(X, training=True).numpy()
    assert recorder.runs() == []
    result = WAYS[way](model)
    ((name, run),) = recorder.runs()

    np.testing.assert_allclose(result, expected, atol=1e-5)
    assert (name, run.device, run.rows, run.kind) == ("scorer", "host-1", 6, Kind.NONE)
    assert recorder.failed() == {}


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


@pytest.mark.parametrize("file", ["ranker.keras", "ranker.h5", "ranker"], ids=["keras", "h5", "a SavedModel"])
def test_a_model_from_a_file_is_one_load_and_has_its_name(recorder, tmp_path, file):
    model = sequential()
    path = tmp_path / file
    model.save(path)
    loaded = keras.models.load_model(path)
    result = loaded.predict(X, verbose=0)

    np.testing.assert_allclose(result, model(X, training=True).numpy(), atol=1e-5)
    assert [name for name, _ in recorder.loads()] == ["ranker"]
    assert [name for name, _ in recorder.runs()] == ["ranker"]
    assert recorder.failed() == {}


def test_a_request_has_the_execute_of_its_prediction(recorder):
    app, model = FastAPI(), sequential()

    @app.get("/")
    def score() -> int:
        return len(model.predict(X, verbose=0))

    record = recorder.serve(app).record("/")

    assert [(run.rows, run.device) for run in record.executes] == [(6, "host-1")]
    assert record.labels.model == "scorer"
    assert recorder.runs() == []


def test_an_error_of_the_framework_passes(recorder):
    with pytest.raises(ValueError, match="incompatible"):
        sequential()(np.zeros((2, 3), np.float32))

    assert len(recorder.runs()) == 1
    assert recorder.failed() == {}


@pytest.mark.parametrize("way", ["call", "predict"])
def test_a_hook_that_raises_is_off_and_the_model_runs(recorder, monkeypatch, way):
    model = sequential()
    expected = model(X, training=True).numpy()
    monkeypatch.setattr(recorder.worker.shapes, "string", lambda _: 1 / 0)

    np.testing.assert_allclose(WAYS[way](model), expected, atol=1e-5)
    assert sum(recorder.failed().values()) == 1
