"""Every Keras on a CPU: calls and predictions are executes, training is none, loads are told.

Keras 3 and `tf_keras`, which is Keras 2; in requirements/environments/keras-2.txt the Keras that TensorFlow up to 2.15
brings (test_keras_of_tensorflow.py).
"""

from importlib import import_module

import numpy as np
import pytest
import tensorflow as tf
from fastapi import FastAPI
from keras_models import WAYS, X, functional, sequential, subclassed

from inferometer.catalog.stages import Kind

BROUGHT = tf.__version__ < "2.16"
MODULES = {"tensorflow.keras": "keras.2"} if BROUGHT else {"keras": "keras", "tf_keras": "tf_keras"}
"""Each Keras that is here, and its hook."""
FILES = {"keras": "ranker.keras", "h5": "ranker.h5", "a SavedModel": "ranker"}


@pytest.fixture(params=MODULES)
def keras(request):
    return import_module(request.param)


@pytest.mark.parametrize("make_model", [sequential, functional, subclassed])
@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_run_a_model_is_one_execute(recorder, keras, make_model, way):
    model = make_model(keras)
    expected = make_model(keras)(X, training=True).numpy()
    assert recorder.runs() == []
    result = WAYS[way](model)
    ((name, run),) = recorder.runs()

    np.testing.assert_allclose(result, expected, atol=1e-5)
    assert (name, run.device, run.rows, run.kind) == ("scorer", "host-1", 6, Kind.NONE)
    assert recorder.failed() == {}


def test_training_and_evaluation_are_no_executes(recorder, keras):
    model = sequential(keras)
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


# Keras 3 loads no SavedModel.
@pytest.mark.parametrize(
    ("keras", "kind"),
    [(module, kind) for module in MODULES for kind in FILES if (module, kind) != ("keras", "a SavedModel")],
    indirect=["keras"],
)
def test_a_model_from_a_file_is_one_load_and_has_its_name(recorder, keras, tmp_path, kind):
    model = sequential(keras)
    path = tmp_path / FILES[kind]
    model.save(path)
    loaded = keras.models.load_model(path)
    result = loaded.predict(X, verbose=0)

    np.testing.assert_allclose(result, model(X, training=True).numpy(), atol=1e-5)
    assert [name for name, _ in recorder.loads()] == ["ranker"]
    assert [name for name, _ in recorder.runs()] == ["ranker"]
    assert recorder.failed() == {}


def test_a_request_has_the_execute_of_its_prediction(recorder, keras):
    app, model = FastAPI(), sequential(keras)

    @app.get("/")
    def score() -> int:
        return len(model.predict(X, verbose=0))

    record = recorder.serve(app).record("/")

    assert [(run.rows, run.device) for run in record.executes] == [(6, "host-1")]
    assert record.labels.model == "scorer"
    assert recorder.runs() == []


def test_an_error_of_the_framework_passes(recorder, keras):
    with pytest.raises(ValueError, match="incompatible"):
        sequential(keras)(np.zeros((2, 3), np.float32))

    assert len(recorder.runs()) == 1
    assert recorder.failed() == {}


@pytest.mark.parametrize(("keras", "hook"), MODULES.items(), indirect=["keras"])
@pytest.mark.parametrize("way", ["call", "predict"])
def test_a_hook_that_raises_is_off_and_the_model_runs(recorder, keras, hook, monkeypatch, way):
    model = sequential(keras)
    expected = model(X, training=True).numpy()
    before = keras.Model.__call__
    monkeypatch.setattr(recorder.worker.shapes, "string", lambda _: 1 / 0)

    np.testing.assert_allclose(WAYS[way](model), expected, atol=1e-5)
    assert recorder.failed() == {hook: 1}
    assert keras.Model.__call__ is not before, "the hook's own is taken out"
