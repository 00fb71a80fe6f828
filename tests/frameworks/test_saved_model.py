"""TensorFlow on a CPU: a SavedModel is one load, and its functions are executes."""

import numpy as np
import pytest
import tensorflow as tf
from fastapi import FastAPI

X = np.linspace(0, 1, 24, dtype=np.float32).reshape(6, 4)


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


def test_a_request_has_the_execute_of_the_function_that_it_calls(recorder, saved):
    app, loaded = FastAPI(), tf.saved_model.load(saved)

    @app.get("/")
    def double() -> int:
        return len(loaded.signatures["serving_default"](x=tf.constant(X))["y"])

    record = recorder.serve(app).record("/")

    assert [(run.rows, run.device) for run in record.executes] == [(6, "host-1")]
    assert record.labels.model == "doubler"
    assert recorder.runs() == []


def test_an_error_of_a_function_passes(recorder, saved):
    with pytest.raises(TypeError, match="wrong"):
        tf.saved_model.load(saved).signatures["serving_default"](wrong=tf.zeros((2, 4)))

    assert len(recorder.runs()) == 1
    assert recorder.failed() == {}
