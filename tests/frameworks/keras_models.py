"""A scorer, made with the Keras that is given, and the ways to run it."""

import numpy as np

X = np.linspace(0, 1, 24, dtype=np.float32).reshape(6, 4)


def sequential(keras):
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(2)], name="scorer")


def functional(keras):
    keras.utils.set_random_seed(1)
    given = keras.Input((4,))
    return keras.Model(given, keras.layers.Dense(2)(keras.layers.Dense(8, "relu")(given)), name="scorer")


def subclassed(keras):
    """A model that calls another one."""

    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__(name="scorer")
            self.inner = sequential(keras)

        def call(self, x):
            return self.inner(x)

    return Subclassed()


WAYS = {
    "call": lambda model: model(X).numpy(),
    "call by name": lambda model: model(X, training=False).numpy(),
    "predict": lambda model: model.predict(X, batch_size=2, verbose=0),
    "predict_on_batch": lambda model: np.asarray(model.predict_on_batch(X)),
}
